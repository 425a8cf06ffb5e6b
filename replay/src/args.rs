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
  linkerd-replay bundle.tar.gz --faults sick.yaml -- kubectl logs -n shop deploy/cart  linkerd-replay bundle.tar.gz --scale 1000 --log-bytes 2000000
                                                a cluster of 1,000 pods, with 2 MB in each log

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
    /// Answer as a sick cluster would: delays, dead nodes, failures, streams that break off, as FILE
    /// says. docs/replay-faults.md describes it.
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Multiply the recording into a cluster of this many pods: namespaces, workloads, nodes,
    /// endpoints, events, logs and metrics alike. Linkerd's own namespace and the system's stay.
    #[arg(long, value_name = "PODS")]
    pub scale: Option<u32>,
    /// Repeat the lines of each log, with earlier times, until it has at least N bytes.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub log_bytes: u64,
    /// Run COMMAND with KUBECONFIG set, and end with its exit code.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}
