//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Serves a bundle as a read-only Kubernetes API on loopback, so that kubectl and other clients
/// work on a cluster that is long gone.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  linkerd-replay bundle.tar.gz -- kubectl get pods --all-namespaces
  linkerd-replay bundle.tar.gz -- sh            a shell in which kubectl asks the bundle
  linkerd-replay ./recording --port 8001        serve until Ctrl-C

Exit codes: 0 served until interrupted, 2 nothing served, otherwise the code of COMMAND."
)]
pub struct Args {
    /// A bundle (tar.gz, zip) or the folder of an unpacked one.
    pub bundle: PathBuf,
    /// The file with the age secret key of an encrypted bundle.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The port to listen on; any free one by default.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Also write a kubeconfig for this server to FILE.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Run COMMAND with KUBECONFIG set, and end with its exit code.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
