//! The reader as a whole: what it accepts, what it says of what it does not, and what holds for any bytes.

#[test]
fn smoke() {
    let r = super::read(crate::FileId(0), b"a 1 b=2 { c \"x\\n\" }\n");
    assert_eq!(r.problems, vec![]);
    eprintln!("{:#?}", r.nodes);
}
