//! The command line, parsed into one value. Unknown flags are errors, never ignored.

use std::net::IpAddr;

/// What `--help` prints.
pub const HELP: &str = "\
byok-practice: a practice AI provider on this machine. It is not a model.

Usage: byok-practice [flags]
  --port <n>             port to listen on; 0 (the default) takes a free one
  --host <ip>            loopback address to listen on; default 127.0.0.1
  --key <key>            one more accepted key, for all three protocols; may be repeated
  --no-record            keep no requests for /control/requests
  --exit-with-stdin      exit when standard input closes
  --stall-close-report   print a JSON line when the peer of a stalled request goes away
  --help, --version

When ready it prints one JSON line: port, origin and the three built-in keys.";

/// Everything the server is told from outside.
#[derive(Debug, PartialEq)]
pub struct Options {
    pub host: IpAddr,
    pub port: u16,
    /// Keys accepted besides the built-in ones, by every protocol.
    pub keys: Vec<String>,
    pub record: bool,
    pub exit_with_stdin: bool,
    pub report_stall_close: bool,
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Command {
    Serve(Options),
    Print(String),
}

impl Options {
    /// Reads flags; `--flag value` and `--flag=value` are the same. Fails with a sentence for the user.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
        let mut options = Options {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            keys: Vec::new(),
            record: true,
            exit_with_stdin: false,
            report_stall_close: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| arguments.next())
                    .ok_or(format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--port" => {
                    options.port = value()?
                        .parse()
                        .map_err(|_| "--port takes a number from 0 to 65535")?;
                }
                "--host" => options.host = loopback(&value()?)?,
                "--key" => options.keys.push(value()?),
                "--no-record" => options.record = false,
                "--exit-with-stdin" => options.exit_with_stdin = true,
                "--stall-close-report" => options.report_stall_close = true,
                "--help" | "-h" => return Ok(Command::Print(HELP.to_owned())),
                "--version" => {
                    let version = concat!("byok-practice ", env!("CARGO_PKG_VERSION"));
                    return Ok(Command::Print(version.to_owned()));
                }
                _ => return Err(format!("unknown flag {flag}; --help lists them")),
            }
        }
        Ok(Command::Serve(options))
    }
}

/// Practice keys are public, so the server never leaves this machine.
fn loopback(text: &str) -> Result<IpAddr, String> {
    let host: IpAddr = text
        .parse()
        .map_err(|_| format!("--host takes an IP address, not {text}"))?;
    if host.is_loopback() {
        Ok(host)
    } else {
        Err(format!(
            "--host must be a loopback address; {host} would be seen from other machines"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_take_their_value_after_a_space_or_an_equals_sign() {
        let spaced = parse("--port 81 --key a --key b --no-record");
        assert_eq!(spaced, parse("--port=81 --key=a --key=b --no-record"));
        let Ok(Command::Serve(options)) = spaced else {
            panic!("not a serve command")
        };
        assert_eq!(
            (options.port, options.keys.len(), options.record),
            (81, 2, false)
        );
    }

    #[test]
    fn misspelt_flags_missing_values_and_public_addresses_are_errors() {
        for line in [
            "--prot 1",
            "--port",
            "--port x",
            "--host 0.0.0.0",
            "--host name",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
