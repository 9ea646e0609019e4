// PostgreSQL's text holds every character but NUL, which a user id may have. NUL is written as U+0001 `0`,
// and U+0001, which ids hardly ever have, as U+0001 `1`: different texts stay different, and all that
// have neither stand in the table as they are.

const ESCAPE = "\u0001";

export function escapeNul(text: string): string {
  if (!text.includes("\0") && !text.includes(ESCAPE)) return text;
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll("\0", `${ESCAPE}0`);
}

export function unescapeNul(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replaceAll(`${ESCAPE}0`, "\0").replaceAll(`${ESCAPE}1`, ESCAPE);
}
