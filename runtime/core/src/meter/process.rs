//! This process's own age, memory and processor time, under the names every Prometheus client uses.

use super::text::Page;
use crate::base::units::Version;
use compact_str::CompactString;
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    resident_bytes: u64,
    threads: u64,
}

/// Reads `/proc/self/status`, whose sizes are in kB whatever the page size is.
fn parse(status: &str) -> Option<Memory> {
    let number = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Memory { resident_bytes: number("VmRSS:")?.checked_mul(1024)?, threads: number("Threads:")? })
}

/// Tells one life of a gateway from the next, whose counters begin at zero: what the one before had counted after
/// its last scrape is lost, and that this is so can be read. Found once, for it must not move with the clock.
static BORN: LazyLock<Option<f64>> = LazyLock::new(|| {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    born(&stat, &std::fs::read_to_string("/proc/stat").ok()?, rustix::param::clock_ticks_per_second())
});

/// Seconds since 1970 at which the process of `stat` began, in a system of which `system` tells.
fn born(stat: &str, system: &str, ticks_per_s: u64) -> Option<f64> {
    // The name in parentheses may hold spaces and parentheses itself; the age is the 20th after it.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let booted: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "hundredths of a second since 1970 fit")]
    let seconds = booted as f64 + ticks as f64 / ticks_per_s as f64;
    Some(seconds)
}

/// A process of this node that carries a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosted {
    pub model: CompactString,
    pub version: Version,
    pub pid: i32,
}

/// Read when they are asked for; one that has ended meanwhile is left out.
pub(super) fn write_hosts(page: &mut Page, hosts: &[Hosted]) {
    let rows: Vec<_> = hosts.iter().filter_map(|host| Some((host, memory(&host.pid.to_string())?))).collect();
    page.hosts("headrace_host_resident_memory_bytes", "Memory of a host's process", &rows);
}

fn memory(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(parse(&status)?.resident_bytes)
}

/// Leaves out what the system does not tell: an absent family is the truth, a zero is not.
pub(super) fn write(page: &mut Page) {
    if let Some(born) = *BORN {
        let help = "Start of the gateway's process, since 1970: of another one all counters begin at zero";
        page.single("process_start_time_seconds", "gauge", help, format_args!("{born:.2}"));
    }
    let memory = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| parse(&status));
    if let Some(Memory { resident_bytes, threads }) = memory {
        page.single(
            "process_resident_memory_bytes",
            "gauge",
            "Memory of the gateway's process",
            resident_bytes,
        );
        page.single("process_threads", "gauge", "Threads of the gateway's process", threads);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        let open = entries.count().saturating_sub(1); // one of them is the folder being read
        page.single("process_open_fds", "gauge", "Open file descriptors of the gateway's process", open);
    }
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = format_args!("{}.{:09}", spent.tv_sec, spent.tv_nsec);
    page.single("process_cpu_seconds_total", "counter", "Processor time of the gateway's process", seconds);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tcore\nVmPeak:\t  9000 kB\nVmRSS:\t    2048 kB\nThreads:\t7\n";
        assert_eq!(parse(status), Some(Memory { resident_bytes: 2 << 20, threads: 7 }));
        assert_eq!(parse("VmRSS:\tmuch\nThreads:\t7\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_process_began_so_many_ticks_after_its_system() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 5 0 12345 0 0";
        assert_eq!(born(stat, "cpu 1 2\nbtime 1700000000\n", 100), Some(1_700_000_123.45));
        assert_eq!(born(stat, "cpu 1 2\n", 100), None);
        assert_eq!(born("7 (a) S 1", "btime 1700000000\n", 100), None);
        let now = std::time::Duration::from_millis(crate::base::clock::unix_ms()).as_secs_f64();
        let age = now - BORN.unwrap();
        assert!((-2.0..3600.0).contains(&age), "{age}");
    }

    #[test]
    fn a_host_is_told_while_it_lives() {
        let host = |pid| Hosted { model: "m".into(), version: Version(3), pid };
        let me = i32::try_from(std::process::id()).unwrap();
        let mut page = Page::default();
        write_hosts(&mut page, &[host(me), host(i32::MAX)]);
        let text = page.finish();
        let labels = format!("{{model=\"m\",version=\"3\",process=\"{me}\"}} ");
        let (_, bytes) = text.rsplit_once(&labels).unwrap();
        assert!(bytes.trim_end().parse::<u64>().unwrap() > 1 << 20, "{text}");
        assert_eq!(text.lines().count(), 3, "the one that is gone is left out: {text}");
    }

    #[test]
    fn this_process_is_told() {
        let mut page = Page::default();
        write(&mut page);
        let text = page.finish();
        for name in
            ["start_time_seconds", "resident_memory_bytes", "threads", "open_fds", "cpu_seconds_total"]
        {
            let line = text.lines().find(|line| line.starts_with(&format!("process_{name} "))).unwrap();
            assert!(line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
        }
    }
}
