//! Times as people and programs read them here: RFC 3339, in UTC.

use std::time::SystemTime;

/// To the second.
pub fn rfc3339(at: SystemTime) -> String {
    written(at, 0)
}

/// To the millisecond, where several things happen within a second.
pub fn rfc3339_millis(at: SystemTime) -> String {
    written(at, 3)
}

fn written(at: SystemTime, digits: usize) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.digits$}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_second_or_to_the_millisecond() {
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339_millis(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}
