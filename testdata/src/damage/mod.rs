//! The catalogue of damages: for each code of a finding, ways to cause exactly it.
//!
//! A damage is one line in one of the tables below. It changes the sample before it is written ([`How::Model`]), the
//! files after that ([`How::Files`]), or nothing but what the reads of a checker answer ([`How::Reads`]). It says which
//! code each depth must report, about what, and whom that reaches; and that nothing else may be reported.
//!
//! To add one: a line in the table of its kind, made with `Damage::model`, `Damage::files` or `Damage::reads`.

mod absent;
mod blobs;
mod bolt;
mod disagreements;
mod documents;
mod hit;
mod ingests;
mod kind;
mod labels;
mod layers;
mod own_files;
mod owners;
mod pages;
mod reach;
mod reads;
mod records;
mod snapshots;
mod subject;

pub use kind::{Damage, Damaged, How, Op, Refusal};
pub use reach::Reach;
pub use subject::Subject;

/// All damages there are.
pub fn all() -> impl Iterator<Item = &'static Damage> {
    let tables: [&'static [Damage]; 14] = [
        blobs::TABLE,
        documents::TABLE,
        layers::TABLE,
        ingests::TABLE,
        records::TABLE,
        bolt::WHOLE.as_flattened(),
        bolt::PARTS,
        snapshots::TABLE,
        disagreements::TABLE,
        labels::TABLE,
        owners::TABLE,
        reads::TABLE,
        absent::TABLE,
        own_files::TABLE,
    ];
    tables.into_iter().flatten()
}
