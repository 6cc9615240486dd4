//! Damages to `ingest/` (F10).

use std::fs;

use super::hit;
use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::ingest_path;

const STALE: &str = "ingest-stale";

pub(super) const TABLE: &[Damage] = &[
    Damage::model(
        "ingest-without-row",
        |s| Subject::ingest(&s.ingest),
        |s| {
            let namespace = s.store.namespace("default");
            namespace.ingests.clear();
            namespace.leases.values_mut().for_each(|lease| lease.ingests.clear());
            Ok(())
        },
    )
    .always(STALE)
    .reaching(Reach::DEFAULT),
    Damage::files(
        "ingest-without-ref",
        |s| Subject::ingest(&s.ingest),
        |s, root| fs::remove_file(root.join(ingest_path(&s.ingest)).join("ref")),
    )
    .always(STALE),
    Damage::files(
        "ingest-with-empty-ref",
        |s| Subject::ingest(&s.ingest),
        |s, root| hit::empty(&root.join(ingest_path(&s.ingest)).join("ref")),
    )
    .always(STALE),
    Damage::files(
        "ingest-with-a-folder-for-ref",
        |s| Subject::ingest(&s.ingest),
        |s, root| hit::folder(&root.join(ingest_path(&s.ingest)).join("ref")),
    )
    .always(STALE),
];
