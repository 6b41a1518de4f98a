//! What is renamed keeps its mail, its password and what was set for it, through real runs of `up`.

mod desk;

use std::path::Path;
use std::process::Command;

use desk::{Desk, has};
use serde_json::Value;

const GLOBEX: &str = "resellers/globex/globex.kdl";

/// Does something with the running platform, in Python: the desk's clients are at hand.
fn python(desk: &Desk, up: &Value, script: &str) {
    let document = desk.path("up.json");
    std::fs::write(&document, up.to_string()).expect("a file on the desk");
    let output = Command::new("python3")
        .args([
            "-B",
            "-c",
            &format!("import os,sys\nsys.path.insert(0, os.environ['CLIENTS'])\nfrom desk import *\n{script}"),
        ])
        .env("DESK", &document)
        .env("CLIENTS", desk::root().join("cli/tests/clients"))
        .output()
        .expect("python3 starts");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn edit(folder: &Path, path: &str, old: &str, new: &str) {
    let path = folder.join(path);
    let before = std::fs::read_to_string(&path).expect("text");
    assert!(before.contains(old), "{} does not say {old}", path.display());
    std::fs::write(&path, before.replacen(old, new, 1)).expect("text");
}

#[test]
fn mail_and_passwords_survive_a_renamed_mailbox_domain_and_reseller() {
    if !has("python3") {
        return;
    }
    let mut desk = Desk::new();
    let platform = desk.example("northmail");
    let up = desk.up(&platform, "dev");
    // Mail, a password that its owner chose, and a mailbox that nobody declared.
    python(
        &desk,
        &up,
        "from_outside(BOB, ['dora@globex.example'], letter(BOB, 'dora@globex.example', 'first'))\n\
         assert admin('change_user', 'globex', user='dora@globex.example', attributes={'password': 'Correct-Horse-7-Battery'})['success']\n\
         assert admin('change_user', 'globex', user='extra@globex.example', attributes={'password': 'Correct-Staple-7-Battery'})['success']\n\
         from_outside(BOB, ['extra@globex.example'], letter(BOB, 'extra@globex.example', 'kept'))\n\
         with imap('dora@globex.example', 'Correct-Horse-7-Battery') as client: assert len(wait_for(client, 'first')) == 1\n\
         with imap('extra@globex.example', 'Correct-Staple-7-Battery') as client: assert len(wait_for(client, 'kept')) == 1\n",
    );

    edit(&platform, GLOBEX, "mailbox \"dora\" {", "mailbox \"theodora\" renamed-from=\"dora\" {");
    edit(&platform, GLOBEX, "alias \"dora.quill\"", "alias \"dora\" \"dora.quill\"");
    let up = desk.up(&platform, "dev");
    python(
        &desk,
        &up,
        "from_outside(BOB, ['dora@globex.example'], letter(BOB, 'dora@globex.example', 'second'))\n\
         with imap('theodora@globex.example', 'Correct-Horse-7-Battery') as client:\n  \
             assert len(wait_for(client, 'first')) == 1\n  \
             assert len(wait_for(client, 'second')) == 1\n",
    );

    edit(
        &platform,
        GLOBEX,
        "domain \"globex.example\" tier=",
        "domain \"initech.example\" renamed-from=\"globex.example\" tier=",
    );
    edit(
        &platform,
        GLOBEX,
        "        workgroup \"office\" {",
        "        alias \"globex.example\"\n        workgroup \"office\" {",
    );
    let up = desk.up(&platform, "dev");
    let renamed = "from_outside(BOB, ['theodora@globex.example'], letter(BOB, 'theodora@globex.example', 'third'))\n\
         with imap('theodora@initech.example', 'Correct-Horse-7-Battery') as client:\n  \
             for subject in ('first', 'second', 'third'): assert wait_for(client, subject), subject\n\
         with imap('extra@initech.example', 'Correct-Staple-7-Battery') as client: assert len(wait_for(client, 'kept')) == 1\n";
    python(&desk, &up, renamed);

    // The whole company, with its folder, its contract and its admin.
    let admin = up["accounts"].as_array().expect("accounts").iter().find(|it| it["address"] == "admin@globex.adm");
    let password = admin.expect("the admin")["password"].clone();
    std::fs::rename(platform.join("resellers/globex"), platform.join("resellers/initech")).expect("a move");
    let file = "resellers/initech/globex.kdl";
    edit(&platform, file, "reseller \"globex\" {", "reseller \"initech\" renamed-from=\"globex\" {");
    edit(&platform, file, "admin \"admin@globex.adm\"", "admin \"admin@initech.adm\"");
    edit(&platform, "platform.kdl", "contract \"globex\"", "contract \"initech\"");
    let up = desk.up(&platform, "dev");
    let admin = up["accounts"].as_array().expect("accounts").iter().find(|it| it["address"] == "admin@initech.adm");
    assert_eq!(admin.expect("the admin")["password"], password);
    python(&desk, &up, renamed);
    python(
        &desk,
        &up,
        "assert admin('get_user', 'initech', user='extra@initech.example')['success']\n\
         found = admin('search_users', 'initech', criteria={'domain': 'initech.example'})\n\
         assert len([user for user in found['users'] if user['user'].startswith(('dora@', 'theodora@'))]) == 1, found\n",
    );
    // Said once more, nothing happens, and the old words in the text do no harm.
    let again = desk.call(&["plan", platform.to_str().expect("a plain path"), "--env", "dev", "--exit-code"]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
}

#[test]
fn mail_in_the_queues_of_a_killed_platform_arrives_at_the_address_that_was_renamed_meanwhile() {
    if !has("python3") {
        return;
    }
    let mut desk = Desk::new();
    let platform = desk.example("northmail");
    let up = desk.up(&platform, "dev");
    let pid = desk.pid(&platform, "dev");
    // Killed in the middle of a stream of mail: what was answered 250 is partly in its mailbox, partly in a queue.
    let answered = desk.path("answered");
    let stream = format!(
        "import signal, threading\n\
         answered, lock = [], threading.Lock()\n\
         def stream(name):\n  \
             host, port = door('mx')\n  \
             client = smtplib.SMTP(host, port)\n  \
             for number in range(1000):\n    \
                 subject = f'{{name}}-{{number}}-end'\n    \
                 try: client.sendmail(BOB, ['dora@globex.example'], letter(BOB, 'dora@globex.example', subject))\n    \
                 except (OSError, smtplib.SMTPException): return\n    \
                 with lock:\n      \
                     answered.append(subject)\n      \
                     if len(answered) == 60: os.kill({pid}, signal.SIGKILL)\n\
         threads = [threading.Thread(target=stream, args=(name,)) for name in 'abcd']\n\
         for thread in threads: thread.start()\n\
         for thread in threads: thread.join()\n\
         assert len(answered) >= 60\n\
         open({answered:?}, 'w').write('\\n'.join(answered))\n"
    );
    python(&desk, &up, &stream);
    edit(&platform, GLOBEX, "mailbox \"dora\" {", "mailbox \"theodora\" renamed-from=\"dora\" {");
    let up = desk.up(&platform, "dev");
    let all = format!(
        "answered = open({answered:?}).read().split()\n\
         with imap('theodora@globex.example') as client:\n  \
             for subject in answered: assert len(wait_for(client, subject, seconds=60)) == 1, subject\n\
         try: from_outside(BOB, ['dora@globex.example'], letter(BOB, 'dora@globex.example', 'late'))\n\
         except smtplib.SMTPRecipientsRefused: pass\n\
         else: assert False, 'the old address takes nothing new'\n"
    );
    python(&desk, &up, &all);
}

#[test]
fn plan_holds_quotas_against_what_the_running_stores_hold() {
    if !has("python3") {
        return;
    }
    let mut desk = Desk::new();
    let platform = desk.example("northmail");
    let up = desk.up(&platform, "dev");
    python(
        &desk,
        &up,
        "big = letter(BOB, 'dora@globex.example', 'big', ('x' * 70 + '\\r\\n') * 40000)\n\
         from_outside(BOB, ['dora@globex.example'], big)\n\
         with imap('dora@globex.example') as client: assert len(wait_for(client, 'big')) == 1\n",
    );
    edit(&platform, "platform.kdl", "quota \"2GiB\"", "quota \"2MiB\"");
    let plan = |desk: &Desk| {
        let output = desk.call(&["plan", platform.to_str().expect("a plain path"), "--env", "dev"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let told = plan(&desk);
    assert!(told.contains("1 mailbox of globex: has a quota that falls below what it uses"), "{told}");
    assert!(!told.contains("acme: have a quota that falls"), "{told}");
    let _ = desk.call(&["down", platform.to_str().expect("a plain path"), "--env", "dev"]);
    assert_eq!(plan(&desk), told, "what lies on the disk counts, whoever serves it");
}
