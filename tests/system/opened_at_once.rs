//! Several processes on one database file, and the roles each by itself as README says.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use harness::{
    callhome,
    child::Child,
    icf::{Icf, Settings},
    ports,
    programs::workspace,
};

#[test]
fn eight_processes_open_a_new_database_at_once_and_none_is_refused() -> Result<()> {
    let icf = Icf::new(&Settings::default())?;
    for round in 0..10 {
        let start = || {
            Command::new(callhome::binary()?)
                .args(["keys", "rotate", "--config"])
                .arg(icf.config())
                .env_remove("RUST_LOG")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .context("it cannot be started")
        };
        let processes: Vec<_> = (0..8).map(|_| start()).collect::<Result<_>>()?;
        for process in processes {
            let ended = process.wait_with_output()?;
            let said = String::from_utf8_lossy(&ended.stderr);
            ensure!(ended.status.success(), "round {round}: {}: {said}", ended.status);
        }
        for file in fs::read_dir(icf.folder())? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("icf.db") {
                ensure!(file.metadata()?.permissions().mode() & 0o077 == 0, "{file:?} is others' to read");
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

/// The commands under a heading of README.md.
fn commands(heading: &str) -> Result<String> {
    let readme = fs::read_to_string(workspace().join("README.md"))?;
    let (_, section) = readme.split_once(heading).with_context(|| format!("README.md has no {heading}"))?;
    let mut parts = section.split("```");
    let block = parts.nth(1).with_context(|| format!("no commands under {heading}"))?;
    // What follows ``` on its line says the language.
    Ok(block.split_once('\n').map(|(_, commands)| commands.to_owned()).unwrap_or_default())
}

#[test]
fn the_roles_each_by_itself_work_as_readme_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // The lab's ports are others' here, where tests run beside one another; all else is as it stands there.
    let program = folder.path().join("bin/callhome");
    fs::create_dir(folder.path().join("bin"))?;
    let wrapper = format!(
        "#!/bin/sh\nif [ \"$1\" = lab ]; then set -- \"$@\" --diameter 127.0.0.1:{} --rest 127.0.0.1:{} --base-port {} \
         --coap-port {}; fi\nexec {:?} \"$@\"\n",
        ports::free()?,
        ports::free()?,
        ports::free_row(9)?,
        ports::free()?,
        callhome::binary()?
    );
    fs::write(&program, wrapper)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let script = folder.path().join("readme.sh");
    let block = commands("## The roles each by itself\n")?;
    ensure!(block.matches(" &").count() == 6, "not the block that this test is about:\n{block}");
    fs::write(&script, format!("trap 'kill $(jobs -p); wait' EXIT\nset -e\n{block}"))?;
    let mut command = Command::new("bash");
    let path = std::env::var("PATH")?;
    command.arg(&script).current_dir(folder.path()).env_remove("CALLHOME_DATA").env_remove("RUST_LOG");
    command.env("PATH", format!("{}:{path}", folder.path().join("bin").display()));
    let mut shell = Child::start("README's commands", command, &folder.path().join("log"))?;
    let ended = shell.wait(Duration::from_secs(180))?;
    ensure!(ended.success(), "{ended}:\n{}", shell.log());
    Ok(())
}
