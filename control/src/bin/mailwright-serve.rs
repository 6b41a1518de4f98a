//! `mailwright-serve`: the control plane's program, as images hold it.

use std::process::ExitCode;

fn main() -> ExitCode {
    control::serve::main(std::env::args_os().skip(1))
}
