//! Replays a recorded cluster, collects from it, analyzes the bundle: the README's first command.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use linkerd_analyze::exit::ExitStatus;

/// Replays a recorded cluster, collects from it through the Kubernetes API into a bundle,
/// analyzes the bundle, and prints the report.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  cargo run --release --package quickstart
  cargo run --release --package quickstart -- authz-denied
  cargo run --release --package quickstart -- --list")]
struct Args {
    /// The recorded cluster, by name.
    #[arg(default_value = "issuer-expired")]
    recording: String,
    /// The bundle to write.
    #[arg(short, long, default_value = "quickstart-bundle.tar.gz")]
    output: PathBuf,
    /// List the recorded clusters.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr leaves only the exit code to tell.
            drop(writeln!(anstream::stderr().lock(), "error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let names = recordings(&folder)?;
    if args.list {
        let mut out = anstream::stdout().lock();
        return names
            .iter()
            .try_for_each(|name| Ok(writeln!(out, "{name}")?));
    }
    ensure!(
        names.contains(&args.recording),
        "there is no recording `{}`; there are: {}",
        args.recording,
        names.join(", ")
    );
    let recording = folder.join(format!("{}.tar.gz", args.recording));
    let output = args.output.display();
    say(&format!(
        "# replays `{}` and runs: linkerd-collect --output {output}",
        args.recording
    ))?;
    quickstart::collect(&recording, &args.output)?;
    say(&format!("# runs: linkerd-analyze {output}\n"))?;
    let status = quickstart::analyze(&args.output)?;
    ensure!(
        status != ExitStatus::Failed,
        "`{output}` could not be analyzed"
    );
    Ok(())
}

/// The names of the packed recordings.
fn recordings(folder: &Path) -> Result<Vec<String>> {
    let items =
        std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut names = Vec::new();
    for item in items {
        let name = item?.file_name().to_string_lossy().into_owned();
        names.extend(
            name.strip_suffix(".tar.gz")
                .filter(|n| !n.contains(".truth"))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(anstream::stderr().lock(), "{line}")?)
}
