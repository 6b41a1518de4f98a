//! A Report as JUnit XML: a test case a scenario.

use std::fmt::Write;

use environments::scenarios::{Outcome, Report};

use crate::problems::junit::escaped;

/// Returns one test suite.
pub(super) fn document(report: &Report) -> String {
    let tally = report.tally();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites>\n  <testsuite name=\"mailwright test\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        report.scenarios.len(),
        tally.failed,
        tally.broken,
        tally.skipped
    );
    for scenario in &report.scenarios {
        let seconds = scenario.evidence.took_milliseconds as f64 / 1000.0;
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.3}\">",
            escaped(&format!("{}.{}", report.environment, report.backend)),
            escaped(&scenario.name)
        );
        let dialogue = escaped(scenario.evidence.dialogue.trim_end());
        let _ = match &scenario.outcome {
            Outcome::Passed => Ok(()),
            Outcome::Failed(reason) => {
                writeln!(xml, "      <failure message=\"{}\">{dialogue}</failure>", escaped(reason))
            }
            Outcome::Broken(reason) => {
                writeln!(xml, "      <error message=\"{}\">{dialogue}</error>", escaped(reason))
            }
            Outcome::Skipped(reason) => writeln!(xml, "      <skipped message=\"{}\"/>", escaped(reason)),
        };
        xml.push_str("    </testcase>\n");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}
