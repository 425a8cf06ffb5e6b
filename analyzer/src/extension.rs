//! The manners of an extension: of the Linkerd CLI, which calls `linkerd-analyze` as
//! `linkerd analyze`, and of kubectl, which finds `kubectl-linkerd_analyze`.
//!
//! It has nothing to add to `linkerd check`, which asks a live cluster: `_extension-metadata` is
//! no command here, and ends as a failure, as it must.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Args, Command};

/// Flags that all commands of the Linkerd CLI have. They say how to reach a cluster, which is
/// never needed here; who types them out of habit is not refused.
#[derive(Debug, Clone, Default, Args)]
pub struct CliFlags {
    /// The API server's address.
    #[arg(long, global = true, hide = true)]
    pub api_addr: Option<String>,
    /// The kubeconfig's context.
    #[arg(long, global = true, hide = true)]
    pub context: Option<String>,
    /// The user to act as.
    #[arg(long = "as", global = true, hide = true)]
    pub as_user: Option<String>,
    /// The group to act as.
    #[arg(long, global = true, hide = true)]
    pub as_group: Vec<String>,
    /// The kubeconfig file.
    #[arg(long, global = true, hide = true)]
    pub kubeconfig: Option<String>,
    /// The control plane's namespace, which a bundle tells.
    #[arg(short = 'L', long, global = true, hide = true)]
    pub linkerd_namespace: Option<String>,
    /// The CNI plugin's namespace, which a bundle tells.
    #[arg(long, global = true, hide = true)]
    pub cni_namespace: Option<String>,
    /// There is no more to tell.
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", default_value = "false")]
    pub verbose: bool,
}

/// The command under the name by which the program was called.
pub fn named(command: Command, program: Option<&OsString>) -> Command {
    let own = command.get_name().to_owned();
    let Some(called) = program.and_then(|program| called(program, &own)) else {
        return command;
    };
    let examples = command.get_after_help().map(|text| {
        let text = text.to_string();
        text.replace(&format!("\n  {own} "), &format!("\n  {called} "))
    });
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.bin_name(called)
}

/// What a user types to call this program, where that is not its own name.
fn called(program: &OsStr, own: &str) -> Option<String> {
    let stem = Path::new(program).file_stem()?.to_str()?;
    let plugin = stem.strip_prefix("kubectl-")?.replace('_', "-");
    (plugin == own).then(|| format!("kubectl {plugin}"))
}
