//! The manners of an extension: of the Linkerd CLI, which finds `linkerd-collect` on the PATH and
//! calls it as `linkerd collect`, and of kubectl, which finds `kubectl-linkerd_collect`.

mod check;
mod report;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

use clap::{ArgMatches, Command};

pub use check::check;
pub use report::Format;

use crate::exit::ExitStatus;

/// What `linkerd check` asks every extension for. With it, our checks join every `linkerd check`.
const METADATA: &str = r#"{"name":"linkerd-collect","checks":"always"}"#;

/// Answers `_extension-metadata`.
///
/// # Errors
/// When stdout is gone.
pub fn metadata(out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    writeln!(out, "{METADATA}")?;
    Ok(ExitStatus::Complete)
}

/// Parses a command line, under the name by which the program was called.
///
/// # Errors
/// What clap says: also when help or the version was asked for.
pub fn parse(command: Command, args: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let known = tolerate(&command, args);
    let called = args
        .first()
        .and_then(|name| called(name, command.get_name()));
    named(command, called).try_get_matches_from(known)
}

/// What a user types to call this program, where that is not its own name.
fn called(program: &OsStr, own: &str) -> Option<String> {
    let stem = Path::new(program).file_stem()?.to_str()?;
    let plugin = stem.strip_prefix("kubectl-")?.replace('_', "-");
    (plugin == own).then(|| format!("kubectl {plugin}"))
}

/// The same command under another name, in its usage and its examples.
fn named(command: Command, called: Option<String>) -> Command {
    let Some(called) = called else {
        return command;
    };
    let own = command.get_name().to_owned();
    // An example runs the program or pipes it; its own name elsewhere is that of a thing.
    let typed = |text: String| text.replace(&format!("      {own}"), &format!("      {called}"));
    let examples = command.get_after_help().map(|text| typed(text.to_string()));
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.bin_name(called)
}

/// The arguments without flags of `check` that this version does not know: the Linkerd CLI passes
/// all that it has itself, as `--flag=value`, and expects extensions to take what they understand.
fn tolerate(command: &Command, args: &[OsString]) -> Vec<OsString> {
    let is_check = args.get(1).is_some_and(|word| word == "check");
    let Some(check) = command.find_subcommand("check").filter(|_| is_check) else {
        return args.to_vec();
    };
    let is_known = |arg: &&OsString| {
        let flag = arg.to_str().and_then(|text| text.strip_prefix("--"));
        let Some(name) = flag.map(|f| f.split('=').next().unwrap_or(f)) else {
            return true;
        };
        name == "help"
            || check
                .get_arguments()
                .any(|known| known.get_long() == Some(name))
    };
    args.iter().filter(is_known).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubectl_plugin_is_told_by_the_programs_name() {
        let called = |program: &str| called(OsStr::new(program), "linkerd-collect");
        assert_eq!(
            called("/usr/bin/kubectl-linkerd_collect").as_deref(),
            Some("kubectl linkerd-collect")
        );
        assert_eq!(
            called("kubectl-linkerd_collect.exe").as_deref(),
            Some("kubectl linkerd-collect")
        );
        assert_eq!(called("linkerd-collect"), None);
        assert_eq!(called("kubectl-other"), None);
    }
}
