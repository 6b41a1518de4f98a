//! Every code that a problem can show has its page.

#[test]
fn the_codes_of_every_room_before_the_compiler_have_their_page() {
    let codes: Vec<&str> = compiler::codes().iter().map(|code| code.code).collect();
    for wanted in ["kdl::unclosed-block", "kdl::too-deep", "yaml::alias", "spec::unknown-tier", "compiler::contrast"] {
        assert!(codes.contains(&wanted), "{wanted} has no page");
    }
    assert!(codes.is_sorted());
    assert!(compiler::codes().iter().all(|code| code.explanation.len() > 40));
}
