//! `tests/uml/run` on CPUs whose register state is larger than User Mode Linux knows of (AMX), whatever CPU this is.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result};
use harness::programs::{find, workspace};
use tempfile::tempdir;

fn compile(source: &str, output: &Path, options: &[&str]) -> Result<()> {
    let mut command = Command::new(find("cc")?);
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(output).args(options);
    let compiled = command.arg(workspace().join("tests/uml").join(source)).arg("-ldl").output()?;
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Ok(())
}

/// A register area shorter than the CPU's is what User Mode Linux gives on a CPU with AMX; 576 octets are shorter than
/// that of any CPU since 2011, so that the refusal and its cure are the same here.
#[test]
fn a_short_register_area_is_refused_by_the_kernel_and_taken_with_the_preload() -> Result<()> {
    const EFAULT: i32 = 14;
    let folder = tempdir()?;
    let (library, program) = (folder.path().join("xstate.so"), folder.path().join("xstate_test"));
    compile("xstate.c", &library, &["-shared", "-fPIC"])?;
    compile("xstate_test.c", &program, &[])?;
    assert_eq!(
        Command::new(&program).status()?.code(),
        Some(EFAULT),
        "the kernel takes a short area by itself"
    );
    assert_eq!(Command::new(&program).env("LD_PRELOAD", &library).status()?.code(), Some(0));
    Ok(())
}

/// Runs a command in the guest, with a `linux.uml` first on PATH that panics as Debian's does on a CPU with AMX: unless
/// something is preloaded, or always.
fn run_with_panicking_guest(always: bool, command: &[&str]) -> Result<Output> {
    let folder = tempdir()?;
    let real = find("linux.uml")?;
    let stand_in = folder.path().join("linux.uml");
    let panic =
        "echo 'Kernel panic - not syncing: userspace - ptrace set fp regs failed, errno = 14'; exit 134";
    let condition = if always { "true" } else { "[[ -z ${LD_PRELOAD:-} ]]" };
    let start = format!(
        "#!/bin/bash\n[[ $1 == --version ]] && exec {real} --version\nif {condition}; then {panic}; fi\nexec {real} \"$@\"\n",
        real = real.display()
    );
    fs::write(&stand_in, start)?;
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755))?;
    let path = std::env::var_os("PATH").context("PATH is not set")?;
    let folders = [folder.path().to_owned()].into_iter().chain(std::env::split_paths(&path));
    let mut run = Command::new(workspace().join("tests/uml/run"));
    Ok(run.args(["--limit", "120"]).args(command).env("PATH", std::env::join_paths(folders)?).output()?)
}

#[test]
fn a_guest_that_panics_at_its_registers_is_started_again_with_the_preload() -> Result<()> {
    let output =
        run_with_panicking_guest(false, &["bash", "-c", "awk 'BEGIN { print 1.5 * 2.25 }'; exit 3"])?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "3.375\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(3));
    Ok(())
}

#[test]
fn where_the_preload_does_not_help_the_error_says_what_is_wrong() -> Result<()> {
    let output = run_with_panicking_guest(true, &["true"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    for part in
        ["more register state than User Mode Linux can restore", "use another machine, or a newer linux.uml"]
    {
        assert!(said.contains(part), "{said}");
    }
    Ok(())
}
