//! Findings in the order in which they are told: by the images they reach, worst first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use verifier_core::finding::{Code, Finding, Named, Severity};

use crate::render::escape;
use crate::words;

/// What is wrong with the same images.
pub(super) struct Group<'a> {
    pub(super) images: &'a BTreeSet<Named>,
    pub(super) classes: Vec<Class<'a>>,
}

/// Findings of one code that call for the same.
pub(super) struct Class<'a> {
    pub(super) code: Code,
    pub(super) advice: String,
    pub(super) findings: Vec<&'a Finding>,
    /// The containers of all of them.
    pub(super) containers: Vec<String>,
    /// The namespaces of all of them.
    pub(super) namespaces: Vec<String>,
}

impl Group<'_> {
    fn worst(&self) -> Option<Severity> {
        self.classes.iter().map(|class| class.code.severity()).max()
    }

    fn reach(&self) -> usize {
        self.images.len()
    }
}

/// Each finding once, under the set of images that it reaches: the worst first, then what reaches most.
pub(super) fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut by_images: BTreeMap<&BTreeSet<Named>, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_images.entry(&finding.blast.images).or_default().push(finding);
    }
    let mut groups: Vec<Group<'_>> = by_images
        .into_iter()
        .map(|(images, findings)| Group { images, classes: classes(&findings) })
        .collect();
    groups.sort_by_key(|group| Reverse((group.worst(), group.reach())));
    groups
}

fn classes<'a>(findings: &[&'a Finding]) -> Vec<Class<'a>> {
    let mut by_code: BTreeMap<_, Vec<&'a Finding>> = BTreeMap::new();
    for &finding in findings {
        let code = finding.code();
        by_code.entry((Reverse(code.severity()), code, finding.advice())).or_default().push(finding);
    }
    by_code
        .into_iter()
        .map(|((_, code, advice), findings)| Class {
            code,
            advice,
            containers: union(
                findings.iter().flat_map(|finding| &finding.blast.containers).map(words::named),
            ),
            namespaces: union(findings.iter().flat_map(|finding| &finding.blast.namespaces).map(escape)),
            findings,
        })
        .collect()
}

fn union(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
