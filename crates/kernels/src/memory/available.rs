//! The memory that is available to the process.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// The number of bytes available to this process; `None` where the system does not report it. Linux grants memory that it
/// does not have and kills a process that uses it, so plans are compared with this before anything is allocated.
pub fn available() -> Option<usize> {
    let of_machine = || meminfo(&read_to_string("/proc/meminfo").ok()?);
    // The limit of a container may be below the machine's memory.
    let of_groups = || {
        let table = read_to_string("/proc/self/cgroup").ok()?;
        let of_group = |Group { folder, max, current }: Group| {
            let read = |file: &str| read_to_string(folder.join(file)).ok();
            group(&read(max)?, &read(current)?, &read("memory.stat")?)
        };
        groups(&table).into_iter().filter_map(of_group).min()
    };
    let of_process = || {
        let read = |file: &str| read_to_string(format!("/proc/self/{file}")).ok();
        limit(&read("limits")?, &read("status")?)
    };
    [of_machine(), of_groups(), of_process()].into_iter().flatten().min()
}

/// The remainder of the limit that `ulimit -v` sets.
fn limit(limits: &str, status: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: usize = line.split_whitespace().next()?.parse().ok()?;
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let used = used.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)?;
    Some(limit.saturating_sub(used))
}

/// The available memory in `/proc/meminfo`, in bytes.
fn meminfo(table: &str) -> Option<usize> {
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// A control group, and its files with the limit and what is used.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    folder: PathBuf,
    max: &'static str,
    current: &'static str,
}

/// The control groups of the process in `/proc/self/cgroup`, of either version, each with those around it.
fn groups(table: &str) -> Vec<Group> {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (root, max, current) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max", "memory.current")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            return None;
        };
        let around = Path::new(path).ancestors().map(|group| group.strip_prefix("/").unwrap_or(group));
        let group = |group: &Path| Group { folder: Path::new(root).join(group), max, current };
        Some(around.map(group).collect::<Vec<Group>>())
    };
    table.lines().filter_map(of_line).flatten().collect()
}

/// The remainder of a control group's limit. Cached pages of files count as used there, but the system drops them when memory
/// is requested; otherwise no memory would seem available after reading a large archive.
fn group(max: &str, current: &str, stat: &str) -> Option<usize> {
    let (max, current): (usize, usize) = (max.trim().parse().ok()?, current.trim().parse().ok()?);
    let stat = |name: &str| -> Option<usize> {
        stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let files = stat("inactive_file ")? + stat("active_file ")?;
    Some(max.saturating_sub(current.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_linux_are_parsed() {
        let table = "MemTotal:       24576000 kB\nMemFree:         1000 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(meminfo(table), Some(20_000_000 * 1024));
        assert_eq!(meminfo("nothing"), None);
        let stat = "anon 300\nfile 650\ninactive_file 400\nactive_file 200\n";
        assert_eq!(group("1000\n", "950\n", stat), Some(650));
        assert_eq!(group("max\n", "950\n", stat), None);
        let folders = |table: &str| -> Vec<String> {
            groups(table).iter().map(|group| group.folder.display().to_string()).collect()
        };
        let expected =
            ["/sys/fs/cgroup/user.slice/run.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/"];
        assert_eq!(folders("0::/user.slice/run.scope\n"), expected);
        let first = "4:cpu,cpuacct:/x\n7:memory:/docker/x\n";
        assert_eq!(folders(first)[0], "/sys/fs/cgroup/memory/docker/x");
        assert_eq!((folders(first).len(), groups(first)[0].max), (3, "memory.limit_in_bytes"));
        let limits = "Max cpu time unlimited unlimited seconds\nMax address space         2048000              unlimited            bytes\n";
        assert_eq!(limit(limits, "VmPeak:\t 900 kB\nVmSize:\t    1000 kB\n"), Some(1_024_000));
        assert_eq!(limit("Max address space  unlimited  unlimited  bytes\n", "VmSize: 1 kB\n"), None);
        assert!(available().is_none_or(|bytes| bytes > 1 << 20));
    }
}
