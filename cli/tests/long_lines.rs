//! A problem is shown with what stands around it, however long its line and however large its file.

mod desk;

use desk::Desk;

#[test]
fn of_a_line_of_megabytes_only_what_stands_around_the_place_is_shown() {
    let desk = Desk::new();
    let folder = desk.example("long");
    let file = folder.join("resellers/acme/long.kdl");
    let blanks = " ".repeat(3_000_000);
    std::fs::write(&file, format!("language 1\n/* é{blanks}*/ resller \"acme\" /*{blanks}*/\n")).expect("written");
    let output = desk.call(&["check", folder.to_str().expect("a plain path")]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(shown.len() < 20_000, "{} bytes are shown", shown.len());
    assert!(shown.contains("resller") && shown.contains("[resellers/acme/long.kdl:2:3000008]"), "{shown}");
    std::fs::write(&file, vec![b'x'; 17 * 1024 * 1024]).expect("written");
    let output = desk.call(&["check", folder.to_str().expect("a plain path")]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(shown.contains("kdl::too-large") && shown.len() < 20_000, "{} bytes are shown", shown.len());
}
