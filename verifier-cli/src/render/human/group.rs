//! Findings in the order in which they are told: by the images they reach, worst first.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use verifier_core::finding::{Code, Finding, Named, Names, Severity};

use crate::render::escape;
use crate::words;

/// What is wrong with the same images.
pub(super) struct Group<'a> {
    pub(super) images: &'a Names,
    pub(super) classes: Vec<Class<'a>>,
}

/// Findings of one code that call for the same.
pub(super) struct Class<'a> {
    pub(super) code: Code,
    pub(super) advice: String,
    pub(super) findings: Vec<&'a Finding>,
    /// The containers of all of them, and whether there are more.
    pub(super) containers: Vec<String>,
    pub(super) containers_left_out: u64,
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
    let mut by_images: BTreeMap<Shared<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_images.entry(Shared(&finding.blast.images)).or_default().push(finding);
    }
    let mut groups: Vec<Group<'_>> = by_images
        .into_iter()
        .map(|(Shared(images), findings)| Group { images, classes: classes(&findings) })
        .collect();
    groups.sort_by_key(|group| Reverse((group.worst(), group.reach())));
    groups
}

/// Names that are compared only where they are not the same memory.
#[derive(PartialEq, Eq)]
struct Shared<'a>(&'a Names);

impl Ord for Shared<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0.is_shared_with(other.0) { Ordering::Equal } else { self.0.cmp(other.0) }
    }
}

impl PartialOrd for Shared<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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
            containers: union(of_all(&findings, |finding| &finding.blast.containers).map(words::named)),
            containers_left_out: findings
                .iter()
                .map(|finding| finding.blast.containers_left_out)
                .max()
                .unwrap_or_default(),
            namespaces: union(findings.iter().flat_map(|finding| &finding.blast.namespaces).map(escape)),
            findings,
        })
        .collect()
}

/// The names of all of `findings`, each once; most share them.
pub(super) fn of_all<'a, F: std::borrow::Borrow<Finding> + 'a>(
    findings: &'a [F],
    names: impl Fn(&'a Finding) -> &'a Names,
) -> impl Iterator<Item = &'a Named> {
    let mut all = BTreeSet::new();
    let mut last: Option<&Names> = None;
    for names in findings.iter().map(|finding| names(finding.borrow())) {
        if !last.is_some_and(|last| last.is_shared_with(names)) {
            all.extend(names);
        }
        last = Some(names);
    }
    all.into_iter()
}

fn union(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
