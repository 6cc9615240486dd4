//! Which platforms' programs run on this machine.

use std::collections::BTreeSet;

/// The architectures, by Go's names, whose programs run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platforms {
    /// The machine's own.
    pub own: String,
    /// All of them, its own included: older ones that the processor knows, and those that are emulated.
    pub all: BTreeSet<String>,
}

impl Platforms {
    /// Those of this machine.
    #[must_use]
    pub fn here() -> Platforms {
        let names = std::fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        Platforms::of(std::env::consts::ARCH, names)
    }

    /// Those of a machine of the architecture `arch` (Rust's name) with these handlers for programs of others.
    fn of(arch: &str, handlers: impl Iterator<Item = String>) -> Platforms {
        let own = go_name(arch).to_owned();
        let older = match own.as_str() {
            "amd64" => Some("386"),
            "arm64" => Some("arm"),
            _ => None,
        };
        let emulated = handlers.filter_map(|name| match name.strip_prefix("qemu-") {
            Some(arch) => Some(go_name(arch).to_owned()),
            None => (name == "rosetta").then(|| "amd64".to_owned()),
        });
        let all = emulated.chain(older.map(str::to_owned)).chain([own.clone()]).collect();
        Platforms { own, all }
    }
}

/// Go's name of an architecture that Rust, or QEMU, calls `arch`.
fn go_name(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "x86" | "i386" | "i486" | "i686" => "386",
        "aarch64" => "arm64",
        // Rust does not tell the two byte orders apart by name.
        "powerpc64" | "powerpc64le" | "ppc64le" => "ppc64le",
        "loongarch64" => "loong64",
        "mips64el" => "mips64le",
        "mipsel" => "mipsle",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_and_emulated_ones_run_too() {
        let of = |arch: &str, handlers: &[&str]| {
            let platforms = Platforms::of(arch, handlers.iter().map(|name| (*name).to_owned()));
            (platforms.own, platforms.all.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of("x86_64", &["register", "status"]), ("amd64".into(), "386 amd64".into()));
        assert_eq!(of("x86_64", &["qemu-aarch64", "python3.11"]), ("amd64".into(), "386 amd64 arm64".into()));
        assert_eq!(of("aarch64", &[]), ("arm64".into(), "arm arm64".into()));
        assert_eq!(of("riscv64", &["qemu-ppc64le"]), ("riscv64".into(), "ppc64le riscv64".into()));
    }
}
