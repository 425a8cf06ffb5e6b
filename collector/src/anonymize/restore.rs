//! `linkerd-collect deanonymize`: turns the tokens of a report back into names.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::key::KeyFile;
use crate::args::Deanonymize;
use crate::exit::ExitStatus;

/// Prints a report with names in the place of tokens.
///
/// # Errors
/// When the report or the key file cannot be read.
pub fn deanonymize(args: &Deanonymize) -> anyhow::Result<ExitStatus> {
    let mut report = Vec::new();
    if args.report == Path::new("-") {
        std::io::stdin()
            .read_to_end(&mut report)
            .context("cannot read stdin")?;
    } else {
        let shown = args.report.display();
        report = std::fs::read(&args.report).with_context(|| format!("cannot read `{shown}`"))?;
    }
    let file = KeyFile::read(&key_file(args)?)?;
    let out = restored(&report, &file.tokens);
    match &args.output {
        Some(output) => std::fs::write(output, out)
            .with_context(|| format!("cannot write `{}`", output.display()))?,
        None => anstream::stdout()
            .write_all(&out)
            .context("cannot write to stdout")?,
    }
    Ok(ExitStatus::Complete)
}

/// The key file that was named, or the only one in the report's folder.
fn key_file(args: &Deanonymize) -> anyhow::Result<PathBuf> {
    if let Some(key) = &args.key {
        return Ok(key.clone());
    }
    let folder = crate::run::folder_of(&args.report);
    let files = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read `{}`", folder.display()))?;
    let files = files.filter_map(|file| Some(file.ok()?.path()));
    let mut keys: Vec<PathBuf> = files
        .filter(|f| f.extension().is_some_and(|e| e == "key"))
        .collect();
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        _ => bail!("name the key file that was written beside the bundle with `--key FILE`"),
    }
}

/// Every word and address that stands for something is replaced by it.
fn restored(report: &[u8], tokens: &BTreeMap<String, String>) -> Vec<u8> {
    let networks = tokens.iter().filter_map(|(token, name)| {
        let (token, name) = (token.split_once('/')?.0, name.split_once('/')?.0);
        Some((token, name))
    });
    let networks: BTreeMap<&str, &str> = networks.collect();
    let of_word = |b: &u8| b.is_ascii_alphanumeric();
    let of_address = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b':');
    let mut out = Vec::with_capacity(report.len());
    let mut rest = report;
    while let Some(byte) = rest.first() {
        let word = rest.iter().take_while(|b| of_word(b)).count().max(1);
        let address = rest.iter().take_while(|b| of_address(b)).count();
        // A port may stand behind it.
        let run = rest.get(..address).unwrap_or_default();
        let host = memchr::memrchr(b':', run).unwrap_or(address);
        let name = [address, host, word].into_iter().find_map(|len| {
            // A sentence's full stop or colon is not the address's.
            (len.saturating_sub(2)..=len)
                .rev()
                .filter(|len| *len > 2)
                .find_map(|len| {
                    let told = std::str::from_utf8(rest.get(..len)?).ok()?;
                    let is_whole = rest.get(len).is_none_or(|b| !of_word(b));
                    let name = tokens
                        .get(told)
                        .map(String::as_str)
                        .or(networks.get(told).copied());
                    is_whole.then_some((len, name?))
                })
        });
        match name {
            Some((len, name)) => {
                out.extend_from_slice(name.as_bytes());
                rest = rest.get(len..).unwrap_or_default();
            }
            None if of_word(byte) => {
                out.extend_from_slice(rest.get(..word).unwrap_or_default());
                rest = rest.get(word..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_addresses_become_names_again_wherever_they_stand() {
        let pairs = [
            ("nabcdefghij", "cart"),
            ("10.9.8.7", "10.1.2.3"),
            ("fd00::9", "fd00::1"),
        ];
        let tokens = pairs.map(|(t, n)| (t.to_owned(), n.to_owned())).into();
        let report = b"nabcdefghij-5f6b/x at 10.9.8.7:4191, fd00::9. \"nabcdefghij.svc\" 110.9.8.7";
        assert_eq!(
            String::from_utf8(restored(report, &tokens)).unwrap(),
            "cart-5f6b/x at 10.1.2.3:4191, fd00::1. \"cart.svc\" 110.9.8.7"
        );
    }
}
