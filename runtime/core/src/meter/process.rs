//! This process's own memory and processor time, under the names every Prometheus client uses.

use super::text::Page;

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

/// Leaves out what the system does not tell: an absent family is the truth, a zero is not.
pub(super) fn write(page: &mut Page) {
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
    fn this_process_is_told() {
        let mut page = Page::default();
        write(&mut page);
        let text = page.finish();
        for name in ["resident_memory_bytes", "threads", "open_fds", "cpu_seconds_total"] {
            let line = text.lines().find(|line| line.starts_with(&format!("process_{name} "))).unwrap();
            assert!(line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
        }
    }
}
