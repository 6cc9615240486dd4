//! What `repair` does about a finding, or why nothing.
//!
//! The planner takes its action from here (`repair::plan`), the report its hint, and `explain` the end of its page: what is
//! promised is what is planned. A plan can refuse what a cure names: what is in use, protected, or held by a containerd
//! that runs stays as it is.

/// What `repair` does about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cure {
    /// Puts the right bytes of a blob in its place, if a source has them.
    Replace,
    /// The same; without a source, takes the blob out, to be pulled again.
    ReplaceOrEvict,
    /// Takes out the names of the images, to be pulled again.
    ForgetImages,
    /// Restores a snapshot from its layer's blob; where that cannot be, takes it out as [`Cure::EvictSnapshots`] does.
    RestoreOrEvict,
    /// Takes out a snapshot and all above it, to be unpacked again.
    EvictSnapshots,
    /// Moves what nothing needs out of the store.
    TakeOut,
    /// Makes an empty folder where containerd needs one.
    MakeFolder,
    /// Makes a damaged database anew from what can be read.
    Rebuild,
    /// Drops a value that its record can do without; else as [`Cure::Rebuild`].
    DropValue,
    /// Has the records of a blob say how long it is.
    SetBlobSize,
    /// Has a database count on from above all numbers that are in use.
    SetSequence,
    /// Writes an index of parents as the rows say.
    IndexParents,
    /// Takes out the record of a sandbox.
    ForgetSandbox,
    /// Nothing.
    None(NoCure),
}

/// Why `repair` does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoCure {
    /// It breaks nothing, and containerd deals with it by itself.
    HealsItself,
    /// The bytes are what the registry serves: pulling brings the same again.
    MadeWrong,
    /// The medium fails: nothing is written to it before that is looked into.
    Medium,
    /// Nothing that this library knows how to do safely.
    ByHand,
}

impl Cure {
    /// Whether `repair` may do something.
    #[must_use]
    pub fn is_known(self) -> bool {
        !matches!(self, Cure::None(_))
    }

    /// What `repair` does: the rest of a sentence that begins with the command's name.
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Cure::Replace => "puts the right bytes in its place, if a --source has them",
            Cure::ReplaceOrEvict => {
                "puts the right bytes in its place, if a --source has them, or takes the blob out, to be pulled again"
            }
            Cure::ForgetImages => "takes out the image's names, to be pulled again; its intact blobs stay",
            Cure::RestoreOrEvict => {
                "restores the snapshot from its layer's blob, or takes it and those above it out, to be unpacked again"
            }
            Cure::EvictSnapshots => "takes out the snapshot and those above it, to be unpacked again",
            Cure::TakeOut => "moves it out of the store",
            Cure::MakeFolder => "makes the folder, empty",
            Cure::Rebuild => "makes the database anew from what can be read of it and of the store",
            Cure::DropValue => {
                "drops the value if its record can do without it, or makes the database anew without the record"
            }
            Cure::SetBlobSize => "has the record say the file's size",
            Cure::SetSequence => "has the database count on from above all numbers that are in use",
            Cure::IndexParents => "writes the index anew from the rows",
            Cure::ForgetSandbox => "takes out this sandbox's record",
            Cure::None(NoCure::HealsItself) => {
                "does nothing: it breaks nothing, and containerd deals with it by itself"
            }
            Cure::None(NoCure::MadeWrong) => {
                "does nothing: the bytes are what the registry serves, and pulling brings the same again"
            }
            Cure::None(NoCure::Medium) => "does nothing: it writes to no medium that fails",
            Cure::None(NoCure::ByHand) => "does nothing about it",
        }
    }

    /// When the plan refuses, in whole sentences; empty where there is nothing to refuse.
    #[must_use]
    pub fn limits(self) -> &'static str {
        match self {
            Cure::Replace => "Without a source it leaves the blob alone.",
            Cure::ReplaceOrEvict | Cure::ForgetImages => {
                "It takes out nothing that is pinned, leased or in use, or that no registry is known to have, unless \
                 --allow names that."
            }
            Cure::RestoreOrEvict => {
                "It leaves alone what a mount uses, and takes out nothing that containers, leases or snapshots of no \
                 image stand on."
            }
            Cure::EvictSnapshots => {
                "It takes out nothing that containers, leases or snapshots of no image stand on, and nothing whose \
                 layers are not known."
            }
            Cure::TakeOut => "It leaves alone what a mount uses.",
            Cure::Rebuild => {
                "containerd must be stopped for it. What stands in the database's place and is no regular file is left \
                 to you."
            }
            Cure::DropValue
            | Cure::SetBlobSize
            | Cure::SetSequence
            | Cure::IndexParents
            | Cure::MakeFolder
            | Cure::ForgetSandbox => "containerd must be stopped for it.",
            Cure::None(_) => "",
        }
    }
}
