// The command's own description.

export const HELP = `Usage: byok-ai <command> [store] [options]

Commands:
  keygen       print a new master key: 32 random bytes as base64
  status       count the stored records by the master key that they need
  verify       open every record, and name those that don't open
  rewrap       move every record to the current master key

Store:
  keys.sqlite                        an SQLite file of SqliteStore
  postgres://user:password@host/db   a database of PostgresStore; needs pg or postgres in your project
  Left out, it is taken from BYOK_STORE. Prefer that where the URL has a password: command lines are
  visible to every user of the machine.

Master keys come from the environment, or from a file with one key a line, the current one first:
  BYOK_MASTER_KEY                    the current key
  BYOK_MASTER_KEY_PREVIOUS           previous keys, separated by commas
  --key-file <path>                  instead of the environment; - is standard input

Options:
  --table <name>         the table in PostgreSQL, schema.name or name; default byok_keys
  --batch-size <n>       records in one batch; default 500
  --concurrency <n>      batches at once; default 4
  --single-writer        rewrap a store without compare-and-swap: nobody else writes meanwhile
  --json                 print the report as JSON
  --quiet                no progress
  --help, --version

Exit codes:
  0    done, nothing is left to do
  1    could not be finished
  2    the command line is wrong
  3    finished, and something needs you: records that don't open, an unknown or still needed key
  130  interrupted; what was done stays done, run it again

Examples:
  echo "BYOK_MASTER_KEY=$(npx byok-ai keygen)" >> .env
  BYOK_MASTER_KEY=$NEW BYOK_MASTER_KEY_PREVIOUS=$OLD npx byok-ai rewrap keys.sqlite
`;
