//! A role's database is one process's: a second one is refused, until the first has ended, however that was.

use std::{process::Command, time::Duration};

use anyhow::Result;
use harness::{
    callhome,
    child::Child,
    roles::{Role, Roles},
};

#[test]
fn a_second_process_on_a_roles_database_is_refused_until_the_first_was_killed() -> Result<()> {
    let mut roles = Roles::new()?;
    for role in [Role::Pva, Role::Sho, Role::Dpf, Role::Drf] {
        roles.start(role)?;
        let (name, first) = (role.name(), roles.process(role)?.id());
        let folder = roles.folder().to_owned();
        let mut command = Command::new(callhome::binary()?);
        command.arg(name).arg("--config").arg(folder.join(name).with_extension("toml"));
        let mut second = Child::start("the second", command, &folder.join("second.log"))?;
        let status = second.wait(Duration::from_secs(60))?;
        let said = second.log();
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(&format!("{name}.db")), "which file: {said}");
        assert!(said.contains(&format!("another callhome, process {first},")), "who has it: {said}");
        assert!(said.contains("stop that one"), "what to do: {said}");
        roles.process(role)?.running()?;
        // kill -9 leaves the file of the lock, and not the lock.
        roles.restart(role)?;
        assert!(folder.join(format!("{name}.db.lock")).exists());
        roles.kill(role)?;
    }
    Ok(())
}
