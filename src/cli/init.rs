//! `tidemill init`: writes a commented `cluster.toml` that runs as it stands.

use super::Failure;
use super::args::InitArgs;
use super::output::{print, print_json};
use crate::config::template;
use std::fs::OpenOptions;
use std::io::Write;

/// Writes it; a file that is there stays, unless it may be replaced.
pub(super) fn init(args: &InitArgs) -> Result<u8, Failure> {
    let path = args.config.display();
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    let opened = match args.replace {
        true => options.create(true).open(&args.config),
        false => options.create_new(true).open(&args.config),
    };
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{path}: is there already; give --replace to overwrite it"))
        }
        _ => Failure::failed(format!("{path}: cannot be written: {error}")),
    })?;
    file.write_all(template().as_bytes())
        .map_err(|error| Failure::failed(format!("{path}: cannot be written: {error}")))?;
    if args.json {
        print_json(&serde_json::json!({ "written": args.config.display().to_string() }))?;
    } else {
        print(&format!(
            "wrote {path}; `tidemill check --print` shows what it means, `tidemill run` runs it\n"
        ))?;
    }
    Ok(0)
}
