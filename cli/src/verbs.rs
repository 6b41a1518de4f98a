//! The verbs, one file each.

mod address;
mod adopt;
mod blueprint;
mod build;
mod cache;
mod check;
mod compare;
mod compiled;
mod convert;
mod diff;
mod down;
mod exec;
mod explain;
mod fmt;
mod graph;
mod image;
mod import;
mod init;
mod ledger;
mod logs;
mod lsp;
mod node;
mod pack;
mod plan;
mod promote;
mod relocate;
mod reseller;
mod reset;
mod restore;
mod root;
mod schema;
mod snapshot;
mod status;
mod test;
mod up;

use std::io::Write;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// What can be asked of the program.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Bring an environment up and print its front doors and accounts to try.
    Up(up::Arguments),
    /// Bring the built-in example up, from nothing but the program itself.
    Try(up::TryArguments),
    /// Tell how an environment is; every door is asked.
    Status(status::Arguments),
    /// Carry scenarios out and say what does not hold.
    Test(test::Arguments),
    /// Print what happened in an environment.
    Logs(logs::Arguments),
    /// Run a command inside a node of real daemons.
    Exec(exec::Arguments),
    /// End an environment; mail and accounts stay.
    Down(down::Arguments),
    /// Empty an environment; passwords and certificates stay.
    Reset(reset::Arguments),
    /// Bring the messages of a mailbox back from its store's copies.
    Restore(restore::Arguments),
    /// Store an environment of virtual machines as it is, and go on from there.
    Snapshot(snapshot::Arguments),
    /// Move a virtual machine to another host while it runs.
    Move(relocate::MoveArguments),
    /// Move every virtual machine of a host to others.
    Evacuate(relocate::EvacuateArguments),
    /// Write an environment, with all it holds, to one file.
    Pack(pack::Arguments),
    /// Take an environment out of such a file.
    Unpack(pack::UnpackArguments),
    /// Build the root file system that real daemons share.
    Root(root::Arguments),
    /// Pin, build, look into and check the image that serves every environment.
    Image(image::Arguments),
    /// List and prune what is kept to be quick.
    Cache(cache::Arguments),
    /// Report every problem of a specification repository.
    Check(check::Arguments),
    /// Print the Blueprint: every choice made for one environment.
    Blueprint(blueprint::Arguments),
    /// Write every file of every node to a folder.
    Build(build::Arguments),
    /// Lay texts out in the canonical way; every comment stays.
    Fmt(fmt::Arguments),
    /// Write texts in the other syntax, KDL or YAML, comments included.
    Convert(convert::Arguments),
    /// Tell what changes between two revisions of a specification, and who notices.
    Plan(plan::Arguments),
    /// Let an environment take what another one has proven.
    Promote(promote::Arguments),
    /// Print what was proven and promoted, and what each environment has.
    Ledger(ledger::Arguments),
    /// Tell what two environments differ in, and whether somebody declared it.
    Compare(compare::Arguments),
    /// Print how the Blueprints, Rosters and files of two folders differ, line by line.
    Diff(diff::Arguments),
    /// Draw the platform: its nodes, the hosts they sit on, the ways mail takes.
    Graph(graph::Arguments),
    /// Write a new specification repository by a few questions.
    Init(init::Arguments),
    /// Write the accounts of another system as the specification of a new reseller.
    Import(import::Arguments),
    /// Write accounts that no specification declares down as specification.
    Adopt(adopt::Arguments),
    /// Take new revisions of resellers' own git repositories, and prove that domains are theirs.
    Reseller(reseller::Arguments),
    /// Explain a problem's code, a word of the language, or what holds for a thing and which line says so.
    Explain(explain::Arguments),
    /// Answer an editor's questions: a language server.
    Lsp(lsp::Arguments),
    /// Print the JSON Schema of the YAML form.
    Schema(schema::Arguments),
    /// Print the language's reference page.
    Reference(schema::ReferenceArguments),
    /// The process behind `up --detach`.
    #[command(hide = true)]
    Serve(up::ServeArguments),
    /// The first process of a node that runs real daemons.
    #[command(hide = true)]
    Node(node::Arguments),
}

/// Carries out a verb.
pub(crate) fn run(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Up(arguments) => up::run(&arguments),
        Verb::Try(arguments) => up::run_try(&arguments),
        Verb::Serve(arguments) => up::run_serve(&arguments),
        Verb::Status(arguments) => status::run(&arguments),
        Verb::Node(arguments) => node::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Logs(arguments) => logs::run(&arguments),
        Verb::Exec(arguments) => exec::run(&arguments),
        Verb::Restore(arguments) => restore::run(&arguments),
        Verb::Snapshot(arguments) => snapshot::run(&arguments),
        Verb::Move(arguments) => relocate::run(&arguments),
        Verb::Evacuate(arguments) => relocate::run_evacuate(&arguments),
        Verb::Down(arguments) => down::run(&arguments),
        Verb::Pack(arguments) => pack::run(&arguments),
        Verb::Unpack(arguments) => pack::run_unpack(&arguments),
        Verb::Root(arguments) => root::run(&arguments),
        Verb::Image(arguments) => image::run(&arguments),
        Verb::Cache(arguments) => cache::run(&arguments),
        Verb::Reset(arguments) => reset::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Blueprint(arguments) => blueprint::run(&arguments),
        Verb::Build(arguments) => build::run(&arguments),
        Verb::Fmt(arguments) => fmt::run(&arguments),
        Verb::Convert(arguments) => convert::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Promote(arguments) => promote::run(&arguments),
        Verb::Ledger(arguments) => ledger::run(&arguments),
        Verb::Compare(arguments) => compare::run(&arguments),
        Verb::Diff(arguments) => diff::run(&arguments),
        Verb::Graph(arguments) => graph::run(&arguments),
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Adopt(arguments) => adopt::run(&arguments),
        Verb::Reseller(arguments) => reseller::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Lsp(arguments) => lsp::run(&arguments),
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Reference(_) => schema::run_reference(),
    }
}

/// Prints a document for programs.
fn print_json(document: &serde_json::Value) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{document:#}")?)
}
