//! What is configured to be mounted, fstab(5) and systemd's mount units, beside what is.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::{Advice, Device};
use crate::io::mounts;

/// Where units lie, the first that has one wins (systemd.unit(5)). What its generator made of fstab is in none of them.
const UNITS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// A file system that is to be mounted when the machine starts.
#[derive(Debug, PartialEq, Eq)]
struct Configured {
    source: String,
    mount_point: PathBuf,
}

/// The innermost place above `root` that something is configured to be mounted on has nothing mounted, or another device.
pub(super) fn mounted_otherwise(host: &Path, root: &Path, device: &Device) -> Option<Advice> {
    let tab = fs::read_to_string(host.join("etc/fstab")).unwrap_or_default();
    let configured = lines(&tab).chain(root.ancestors().filter_map(|place| unit(host, place)));
    let above = configured.filter(|configured| root.starts_with(&configured.mount_point));
    // A unit stands for a line of the same place: it comes later.
    otherwise(above.max_by_key(|configured| configured.mount_point.components().count())?, device)
}

fn otherwise(Configured { source, mount_point }: Configured, device: &Device) -> Option<Advice> {
    let (is_at, instead) = (Path::new(&device.mount_point), device.source.clone());
    if !is_at.starts_with(&mount_point) {
        return Some(Advice::NotMounted { mount_point, source, instead });
    }
    let is_another = is_at == mount_point && is_another_device(&source, device);
    is_another.then_some(Advice::MountedFromAnother { mount_point, source, instead })
}

/// The lines of fstab(5), but those that wait to be asked for.
fn lines(tab: &str) -> impl Iterator<Item = Configured> {
    let lines = tab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (source, mount_point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let waits = fields.next().unwrap_or_default().split(',').any(|option| option == "noauto");
        let unescape = |field: &str| mounts::unescape(field.as_bytes());
        let mount_point = PathBuf::from(OsString::from_vec(unescape(mount_point)));
        let source = String::from_utf8_lossy(&unescape(source)).into_owned();
        (kind != "swap" && !waits).then_some(Configured { source, mount_point })
    })
}

/// The mount unit of `place`, if another unit wants it. One that is changed elsewhere (`.d`) is not known.
fn unit(host: &Path, place: &Path) -> Option<Configured> {
    let name = unit_name(place)?;
    let folders = UNITS.map(|folder| host.join(folder));
    if !folders.iter().any(|folder| is_wanted(folder, &name))
        || folders.iter().any(|folder| folder.join(format!("{name}.d")).exists())
    {
        return None;
    }
    let file =
        folders.iter().map(|folder| folder.join(&name)).find(|file| file.symlink_metadata().is_ok())?;
    // A masked unit is a link to /dev/null, and has no lines.
    let text = fs::read_to_string(file).ok()?;
    let section = text.lines().map(str::trim).skip_while(|line| *line != "[Mount]").skip(1);
    let settings = section.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    let (_, what) = settings.filter(|(key, _)| key.trim() == "What").last()?;
    Some(Configured { source: what.trim().to_owned(), mount_point: place.to_owned() })
}

/// Whether a unit of `folder` is linked to want or require `name`.
fn is_wanted(folder: &Path, name: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut lists =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "wants" || kind == "requires"));
    lists.any(|list| list.join(name).symlink_metadata().is_ok())
}

/// The name that the mount unit of a place must have (systemd.unit(5), string escaping); none for the root of all.
fn unit_name(place: &Path) -> Option<String> {
    let path = place.as_os_str().as_bytes().strip_prefix(b"/").filter(|path| !path.is_empty())?;
    let mut name = String::new();
    for (at, byte) in path.iter().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at > 0 => name.push('.'),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b':' | b'_' => name.push(char::from(*byte)),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    Some(name + ".mount")
}

/// Whether what is configured is a block device that there is, and not the one that is mounted.
fn is_another_device(configured: &str, mounted: &Device) -> bool {
    // Of several devices, any may be named.
    if ["btrfs", "bcachefs", "zfs"].contains(&mounted.file_system.as_str()) {
        return false;
    }
    let links = [
        ("UUID=", "by-uuid"),
        ("LABEL=", "by-label"),
        ("PARTUUID=", "by-partuuid"),
        ("PARTLABEL=", "by-partlabel"),
    ];
    let link = links.iter().find_map(|(tag, folder)| {
        let name = configured.strip_prefix(tag)?.trim_matches('"');
        Some(Path::new("/dev/disk").join(folder).join(name))
    });
    let number = |path: &Path| {
        let stat = rustix::fs::stat(path).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice).then_some(stat.st_rdev)
    };
    let configured = number(&link.unwrap_or_else(|| PathBuf::from(configured)));
    match (configured, number(Path::new(&mounted.source))) {
        (Some(configured), Some(mounted)) => configured != mounted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, to be looked at as `/`.
    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = host.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        host
    }

    fn by_tab(root: &Path, device: &Device, tab: &str) -> Option<Advice> {
        mounted_otherwise(host(&[("etc/fstab", tab)]).path(), root, device)
    }

    #[test]
    fn a_place_that_is_mounted_otherwise() {
        let tab = "# /dev/sdz /var/lib/containerd ext4\nUUID=1 / ext4 defaults 0 1\n\
            /dev/sdb1 /var/lib/containerd xfs defaults 0 2\n/dev/sdc /mnt/a\\040b ext4\nnonsense\n";
        let device = |mount_point: &str| Device {
            source: "/dev/sda1".into(),
            file_system: "ext4".into(),
            mount_point: mount_point.into(),
        };
        let root = Path::new("/var/lib/containerd");
        let expected = Advice::NotMounted {
            mount_point: root.into(),
            source: "/dev/sdb1".into(),
            instead: "/dev/sda1".into(),
        };
        assert_eq!(by_tab(root, &device("/"), tab), Some(expected.clone()));
        assert_eq!(by_tab(&root.join("below"), &device("/var"), tab), Some(expected));
        assert_eq!(by_tab(root, &device("/var/lib/containerd"), tab), None);
        assert_eq!(by_tab(&root.join("below"), &device("/var/lib/containerd/below"), tab), None);
        assert_eq!(by_tab(Path::new("/var/lib/docker"), &device("/"), tab), None);
        assert!(by_tab(Path::new("/mnt/a b/c"), &device("/"), tab).is_some());
        assert_eq!(by_tab(root, &device("/"), ""), None);
        for options in ["noauto", "rw,noauto,nofail"] {
            assert_eq!(
                by_tab(root, &device("/"), &format!("/dev/sdb1 {} xfs {options}\n", root.display())),
                None
            );
        }
    }

    #[test]
    fn another_device_only_where_both_are_there() {
        let names = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
        let paths = names.map(|name| format!("/dev/{}", name.file_name().to_string_lossy()));
        let disks: Vec<String> = paths.filter(|path| Path::new(path).exists()).collect();
        let device = |source: &str, file_system: &str| Device {
            source: source.into(),
            file_system: file_system.into(),
            mount_point: "/mnt".into(),
        };
        let of = |configured: &str, device: &Device| {
            by_tab(Path::new("/mnt/root"), device, &format!("{configured} /mnt auto defaults\n"))
        };
        for absent in
            ["UUID=0-0", "LABEL=none", "/dev/no-such", "/dev/null", "tmpfs", "/dev/disk/by-id/x", "host:/x"]
        {
            assert_eq!(of(absent, &device("/dev/null", "ext4")), None, "{absent}");
        }
        let [one, other, ..] = &disks[..] else { return };
        assert_eq!(of(one, &device(one, "ext4")), None);
        assert_eq!(of(one, &device(other, "btrfs")), None);
        let found = of(one, &device(other, "ext4"));
        let (mount_point, source, instead) = ("/mnt".into(), one.clone(), other.clone());
        assert_eq!(found, Some(Advice::MountedFromAnother { mount_point, source, instead }));
    }

    #[test]
    fn a_unit_that_is_wanted_counts_as_a_line_does() {
        let root = Path::new("/var/lib/containerd");
        let device =
            Device { source: "/dev/sda1".into(), file_system: "ext4".into(), mount_point: "/".into() };
        let of = |files: &[(&str, &str)]| mounted_otherwise(host(files).path(), root, &device);
        let unit =
            "[Unit]\nWhat=no\n[Mount]\nType=xfs\nWhat=/dev/sdb1\nWhere=/var/lib/containerd\n[Install]\n";
        let own = ("usr/lib/systemd/system/var-lib-containerd.mount", unit);
        let wanted = ("etc/systemd/system/local-fs.target.wants/var-lib-containerd.mount", "");
        let expected = |source: &str, mount_point: &str| {
            let (source, mount_point) = (source.to_owned(), mount_point.into());
            Some(Advice::NotMounted { mount_point, source, instead: "/dev/sda1".into() })
        };
        assert_eq!(of(&[own, wanted]), expected("/dev/sdb1", "/var/lib/containerd"));
        // A line of the same place is what the unit stands for; one further out is not.
        let tab = ("etc/fstab", "/dev/sdc /var/lib/containerd xfs\n/dev/sdd /var xfs\n");
        assert_eq!(of(&[own, wanted, tab]), expected("/dev/sdb1", "/var/lib/containerd"));
        let above = ("run/systemd/system/var.mount", "[Mount]\nWhat=/dev/old\nWhat = /dev/sde\n");
        let required = ("run/systemd/system/x.service.requires/var.mount", "");
        assert_eq!(of(&[above, required]), expected("/dev/sde", "/var"));

        assert_eq!(of(&[own]), None, "nobody wants it");
        assert_eq!(of(&[own, wanted, ("etc/systemd/system/var-lib-containerd.mount", "")]), None, "masked");
        let changed = ("etc/systemd/system/var-lib-containerd.mount.d/10.conf", "[Mount]\nWhat=/dev/sdf\n");
        assert_eq!(of(&[own, wanted, changed]), None, "changed elsewhere");
        assert_eq!(of(&[wanted]), None, "its unit is gone");
    }

    #[test]
    fn names_are_escaped_as_systemd_does() {
        // systemd-escape --path --suffix=mount
        let name = |place: &str| unit_name(Path::new(place)).unwrap_or_default();
        assert_eq!(name("/var/lib/containerd"), "var-lib-containerd.mount");
        assert_eq!(name("/mnt/my-disk/a b.c"), "mnt-my\\x2ddisk-a\\x20b.c.mount");
        assert_eq!(name("/.hidden:_1"), "\\x2ehidden:_1.mount");
        assert_eq!(name("/\u{e9}"), "\\xc3\\xa9.mount");
        assert_eq!((name("/"), name("relative")), (String::new(), String::new()));
    }
}
