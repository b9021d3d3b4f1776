//! Pages of the program that only its start needed.
//!
//! The kernel maps a program sixteen pages at a time around each one that is touched, and a start touches most of it:
//! settings, schemas, trust roots. They are clean copies of a file, so they can be unmapped once everything is up; what
//! is needed after all is mapped again within a microsecond or two.

use rustix::mm::{Advice, madvise};

/// Unmaps the program's code. What runs comes back by itself.
pub fn give_back() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Ok(program) = std::fs::read_link("/proc/self/exe") else { return };
    for (start, end) in maps.lines().filter_map(|line| code(line, &program.to_string_lossy())) {
        let place = std::ptr::with_exposed_provenance_mut(start);
        #[expect(unsafe_code, reason = "advice to the kernel about memory goes by address")]
        // SAFETY: the mapping is this program's code, read-only and never written to, so that the file has the same
        // bytes when it is mapped again.
        let advised = unsafe { madvise(place, end - start, Advice::LinuxDontNeed) };
        if advised.is_err() {
            return;
        }
    }
}

/// The addresses of a mapping, if it is code of `program` (proc_pid_maps(5)).
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let (addresses, rest) = line.split_once(' ')?;
    let is_code = rest.starts_with("r-xp ") && rest.ends_with(program);
    let (start, end) = addresses.split_once('-').filter(|_| is_code)?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_program_itself_is_given_back() {
        let cases = [
            ("55d0-55e0 r-xp 0031e000 fe:00 123    /usr/bin/aisix", Some((0x55d0, 0x55e0))),
            ("55c0-55d0 r--p 00000000 fe:00 123    /usr/bin/aisix", None),
            ("55e0-55f0 rw-p 00b8d000 fe:00 123    /usr/bin/aisix", None),
            ("7f00-7f10 r-xp 00000000 fe:00 456    /lib/libc.so.6", None),
            ("7ff0-7fff r-xp 00000000 00:00 0      [vdso]", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(code(line, "/usr/bin/aisix"), expected, "{line}");
        }
    }

    #[test]
    fn the_program_runs_on_after_its_code_was_given_back() {
        give_back();
        assert_eq!("still here".replace("still", "is"), "is here");
    }
}
