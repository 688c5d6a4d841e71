//! How much memory can still be had.

use std::fs::read_to_string;

/// Bytes that programs can still take, or `None` where the system does not say. The system promises memory that it
/// does not have, and ends a program that uses it: so a plan is compared with this before it is begun.
pub(super) fn memory() -> Option<usize> {
    let of_machine = || meminfo(&read_to_string("/proc/meminfo").ok()?);
    // A container may have less than the machine.
    let of_group = || {
        let number = |file: &str| read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse().ok();
        number("memory.max")
            .zip(number("memory.current"))
            .map(|(max, used): (usize, usize)| max.saturating_sub(used))
    };
    [of_machine(), of_group()].into_iter().flatten().min()
}

/// The available memory, in bytes, that Linux's table tells in KiB.
fn meminfo(table: &str) -> Option<usize> {
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_is_understood() {
        let table = "MemTotal:       24576000 kB\nMemFree:         1000 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(meminfo(table), Some(20_000_000 * 1024));
        assert_eq!(meminfo("nothing"), None);
        assert!(memory().is_none_or(|bytes| bytes > 1 << 20));
    }
}
