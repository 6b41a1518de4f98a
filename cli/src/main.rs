//! The `mailwright` program: one file per verb, and the only room that reads the environment's variables, prints and exits.

mod built_in;
mod checked;
mod failure;
mod folders;
mod git;
mod kept;
mod ledger;
mod own_namespace;
mod pins;
mod problems;
mod repository;
mod rewrite;
mod verbs;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::{Exit, Failure};

/// Compiles hosted e-mail platforms from text and runs them on one desk.
#[derive(Parser)]
#[command(name = "mailwright", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    verb: verbs::Verb,
}

const EXAMPLES: &str = "\
Examples:
  mailwright try                              the built-in example platform, from nothing
  mailwright check examples/northmail         every problem of a specification repository
  mailwright up examples/northmail --detach   the platform, running in the background
  mailwright status examples/northmail        what answers
  mailwright down examples/northmail          stops it; mail and accounts stay

Exit codes: 0 done, 1 problems found, 2 usage, 3 a fault of mailwright, 4 changes found
(plan --exit-code), 5 the environment failed, 130 interrupted.";

/// The name under which this program is the control plane's.
const SERVE: &str = "mailwright-serve";

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().map(std::path::PathBuf::from);
    if name.as_ref().and_then(|name| name.file_name()).is_some_and(|name| name == SERVE) {
        return control::serve::main(words);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { Exit::Done as u8 });
        }
    };
    // A fault of ours is reported in one line that can be passed on, and has an exit code of its own.
    std::panic::set_hook(Box::new(|info| {
        let _ = writeln!(
            std::io::stderr(),
            "error: mailwright has a fault: {info}\n  help: please report this line with the command that led to it"
        );
    }));
    let outcome = std::panic::catch_unwind(|| verbs::run(arguments.verb));
    let exit = match outcome {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => report(&failure),
        Err(_) => Exit::Fault,
    };
    ExitCode::from(exit as u8)
}

fn report(failure: &Failure) -> Exit {
    let _ = std::io::stderr().write_all(failure.text().as_bytes());
    failure.exit
}
