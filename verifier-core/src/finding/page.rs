//! The pages of `explain`: what is known of a code, and what `repair` does about it, written from the cure.

use super::{Code, Cure};

/// How wide a page is, and where its text begins.
const WIDTH: usize = 79;
const INDENT: &str = "  ";
/// The part of a page that is the last one in `pages/`.
const TO_DO: &str = "\nWhat to do\n";

impl Code {
    /// What a code means, in one line.
    #[must_use]
    pub fn title(self) -> &'static str {
        let line = self.page_by_hand().lines().next().unwrap_or_default();
        line.split_once(": ").map_or("", |(_, title)| title)
    }

    /// All that is known of a code: its first line is `CODE: title`, its last part says what to do.
    #[must_use]
    pub fn page(self) -> String {
        let page = self.page_by_hand();
        let (before, by_hand) = page.split_once(TO_DO).unwrap_or((page, ""));
        let (lead, end) = (lead(self.cure()), end(self.cure()));
        format!("{before}{TO_DO}{lead}{by_hand}\n{end}")
    }
}

/// What comes before the way by hand where a command does the work.
fn lead(cure: Cure) -> String {
    if !cure.is_known() {
        return String::new();
    }
    let first = match cure {
        Cure::Rebuild => "Keep containerd stopped, make sure that the right file system is mounted, and run",
        _ => "Run",
    };
    let then = "'containerd-fsck repair': it shows what it can do, and does it with --yes. By hand:";
    paragraph(&format!("{first} {then}")) + "\n"
}

/// What `repair` does.
fn end(cure: Cure) -> String {
    paragraph(&format!("'containerd-fsck repair' {}. {}", cure.does(), cure.limits()))
}

fn paragraph(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let width = word.chars().count();
        if column == 0 || column + 1 + width > WIDTH {
            lines.push_str(if column == 0 { INDENT } else { "\n  " });
            column = INDENT.len() + width;
        } else {
            lines.push(' ');
            column += 1 + width;
        }
        lines.push_str(word);
    }
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_every_part() {
        for &code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("{code}: ")), "the page of {code} begins otherwise");
            for part in
                ["\nWhat it means\n", "\nHow it comes about\n", "\nWhat containerd does\n", "\nWhat to do\n"]
            {
                assert_eq!(page.matches(part).count(), 1, "{code}: {part:?}");
            }
            assert!(page.ends_with('\n') && !page.contains('\t') && !page.contains(" \n"), "{code}: spaces");
            assert!(!page.contains("\n\n\n"), "{code}: two blank lines");
            assert!(
                page.lines().all(|line| line.chars().count() <= 79),
                "{code}: a line is too long\n{page}"
            );
            assert!(!code.title().is_empty() && !code.title().ends_with('.'), "{code}: title");
        }
    }

    #[test]
    fn every_page_ends_with_what_repair_does_and_names_it_first_where_it_helps() {
        for &code in Code::ALL {
            let page = code.page();
            let (_, to_do) = page.split_once(TO_DO).unwrap();
            let (_, last) = to_do.trim_end().rsplit_once("\n\n").unwrap();
            let last = last.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(last.starts_with(&format!("'containerd-fsck repair' {}.", code.cure().does())), "{page}");
            let lead = lead(code.cure());
            let names_it =
                lead.split_whitespace().collect::<Vec<_>>().join(" ").contains("'containerd-fsck repair'");
            assert!(to_do.starts_with(&lead) && names_it == code.cure().is_known(), "{page}");
        }
    }

    #[test]
    fn no_page_says_by_hand_what_repair_does() {
        for &code in Code::ALL {
            assert!(
                !code.page_by_hand().contains("containerd-fsck repair"),
                "{code}: write it from the cure"
            );
        }
    }
}
