//! System tests: the program as it is shipped, against programs of others, over real sockets.
//!
//! One test binary; a module for each question. Third parties come from `tests/run`.

mod alone;
mod another_device;
mod command_line;
mod config_check;
mod crash;
mod crash_matrix;
mod failing_disk;
mod fleet;
mod free_diameter;
mod free_diameter_configuration;
mod hostile_diameter;
mod hostile_doors;
mod hosting;
mod instances;
mod key_rotation;
mod mistakes_of_others;
mod nineteen_steps;
mod older_peers;
mod open5gs;
mod openapi;
mod opened_at_once;
mod provisioning;
mod python_diameter;
mod registration_operator;
mod relay;
mod resync;
mod rigs;
mod rollback;
mod sequence_numbers;
mod subscription_data;
mod user_mode_linux;
mod wireshark;

/// The visited network of most tests: 999-70, which is not the provisional one.
const PLMN: [u8; 3] = [0x99, 0xf9, 0x07];
