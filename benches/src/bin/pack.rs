//! Writes the files of a folder into a bundle and does nothing else: what compressing alone
//! takes, to be compared with `tar | pigz -6`.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bundle::{BundleWriter, Container, EntryPath, Manifest, WriterOptions};
use clap::Parser;
use jiff::Timestamp;

/// Writes the files of a folder into a bundle, without looking at them.
#[derive(Debug, Parser)]
#[command(after_help = "Example:
  pack logs -o logs.tar.gz")]
struct Args {
    /// The folder.
    folder: PathBuf,
    /// The bundle to write.
    #[arg(short, long)]
    output: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let options = WriterOptions {
        container: Container::TarGz,
        name: "pack".to_owned(),
        mtime: Timestamp::UNIX_EPOCH,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let mut writer = BundleWriter::create(&args.output, options)?;
    append_all(&mut writer, &args.folder, &args.folder)?;
    writer.finish(Manifest::new("pack", Timestamp::UNIX_EPOCH))?;
    Ok(())
}

fn append_all(writer: &mut BundleWriter, root: &Path, folder: &Path) -> Result<()> {
    let found = std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))?;
    let mut found: Vec<PathBuf> = found.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    found.sort();
    for path in found {
        if path.is_dir() {
            append_all(writer, root, &path)?;
            continue;
        }
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let mut file = File::open(&path)?;
        let bytes = file.metadata()?.len();
        writer.append(&EntryPath::parse(name)?, bytes, &mut file)?;
    }
    Ok(())
}
