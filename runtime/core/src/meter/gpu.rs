//! The GPUs of this node, as NVIDIA's driver tells of them: their numbers under Triton's names, and their memory.
//!
//! Read when somebody asks, and by the thread that does: a driver that stands still keeps no request.

use super::text::Page;
use nvml_wrapper::{Device, Nvml, struct_wrappers::device::MemoryInfo};
use std::sync::LazyLock;

/// Opened by the first who asks: a gateway that nobody scrapes needs no driver. None where there is none.
static DRIVER: LazyLock<Option<Nvml>> = LazyLock::new(|| Nvml::init().ok());

/// What `MigMode::current` is where a GPU is divided.
const DIVIDED: u32 = 1;

/// A GPU, or a part of one that is divided (MIG). What its driver does not tell is None.
#[derive(Debug)]
struct Gpu {
    uuid: String,
    percent: Option<u32>,
    memory: Option<MemoryInfo>,
    milliwatts: Option<u32>,
    most_milliwatts: Option<u32>,
    millijoules: Option<u64>,
}

/// A GPU's memory, of all processes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuMemory {
    pub uuid: String,
    pub total: u64,
    pub free: u64,
}

/// Of the GPU that one entry of `CUDA_VISIBLE_DEVICES` names: its place in the order of the bus, or the UUID of it or of
/// a part of it (MIG). `None` where there is no driver, or none such. It takes no memory there, as asking CUDA does.
pub fn memory(entry: &str) -> Option<GpuMemory> {
    memory_of(DRIVER.as_ref()?, entry)
}

fn memory_of(driver: &Nvml, entry: &str) -> Option<GpuMemory> {
    let device = match entry.parse() {
        Ok(at) => driver.device_by_index(at),
        Err(_) => driver.device_by_uuid(entry),
    };
    let device = device.ok()?;
    let MemoryInfo { total, free, .. } = device.memory_info().ok()?;
    Some(GpuMemory { uuid: device.uuid().ok()?, total, free })
}

/// Nothing where there is no driver.
pub(super) fn write(page: &mut Page) {
    if let Some(driver) = DRIVER.as_ref() {
        write_gpus(page, &gpus(driver));
    }
}

/// Those that can be named: of one that is lost the others are told all the same.
fn gpus(driver: &Nvml) -> Vec<Gpu> {
    let mut found = Vec::new();
    for device in (0..driver.device_count().unwrap_or(0)).filter_map(|at| driver.device_by_index(at).ok()) {
        found.extend(read(&device));
        if device.mig_mode().is_ok_and(|mode| mode.current == DIVIDED) {
            let most = device.mig_device_count().unwrap_or(0);
            let parts = (0..most).filter_map(|at| device.mig_device_by_index(at).ok());
            found.extend(parts.filter_map(|part| read(&part)));
        }
    }
    found
}

fn read(device: &Device<'_>) -> Option<Gpu> {
    Some(Gpu {
        uuid: device.uuid().ok()?,
        percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        memory: device.memory_info().ok(),
        milliwatts: device.power_usage().ok(),
        most_milliwatts: device.power_management_limit().ok(),
        millijoules: device.total_energy_consumption().ok(),
    })
}

/// Leaves out what no GPU tells: an absent family is the truth, a zero is not.
fn write_gpus(page: &mut Page, gpus: &[Gpu]) {
    let thousandths = |value: u64| format!("{}.{:03}", value / 1000, value % 1000);
    let mut family = |name, kind, help, value: &dyn Fn(&Gpu) -> Option<String>| {
        let rows: Vec<_> =
            gpus.iter().filter_map(|gpu| Some((format!("gpu_uuid=\"{}\"", gpu.uuid), value(gpu)?))).collect();
        page.labelled(name, kind, help, &rows);
    };
    family("nv_gpu_utilization", "gauge", "GPU utilization rate [0.0 - 1.0]", &|gpu| {
        gpu.percent.map(|percent| format!("{}.{:02}", percent / 100, percent % 100))
    });
    family("nv_gpu_memory_total_bytes", "gauge", "GPU total memory, in bytes", &|gpu| {
        gpu.memory.as_ref().map(|memory| memory.total.to_string())
    });
    family("nv_gpu_memory_used_bytes", "gauge", "GPU used memory, in bytes", &|gpu| {
        gpu.memory.as_ref().map(|memory| memory.used.to_string())
    });
    family("nv_gpu_power_usage", "gauge", "GPU power usage in watts", &|gpu| {
        gpu.milliwatts.map(|milliwatts| thousandths(milliwatts.into()))
    });
    family("nv_gpu_power_limit", "gauge", "GPU power management limit in watts", &|gpu| {
        gpu.most_milliwatts.map(|milliwatts| thousandths(milliwatts.into()))
    });
    family(
        "nv_energy_consumption",
        "counter",
        "GPU energy consumption in joules since its driver was loaded",
        &|gpu| gpu.millijoules.map(thousandths),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A driver of four GPUs: a whole one, one that cannot be named, one that is divided into one part of two that it
    /// could have, and one that is lost once it was named.
    const DRIVER: &str = r#"
        #include <stdio.h>
        #include <stdint.h>
        enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, LOST = 15 };
        typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
        typedef struct { unsigned gpu, memory; } rates;
        static intptr_t of(void *device) { return (intptr_t)device; }
        int nvmlInit_v2(void) { return START; }
        int nvmlShutdown(void) { return OK; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = 4; return OK; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned at, void **device) { *device = (void *)(intptr_t)(at + 1); return OK; }
        int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
            int at;
            *device = (void *)9;
            if (sscanf(uuid, "GPU-%d", &at) == 1) *device = (void *)(intptr_t)at;
            else if (uuid[0] != 'M') return NOT_FOUND;
            return OK;
        }
        int nvmlDeviceGetUUID(void *device, char *out, unsigned length) {
            if (of(device) == 2) return LOST;
            snprintf(out, length, of(device) == 9 ? "MIG-9" : "GPU-%d", (int)of(device));
            return OK;
        }
        int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *next) {
            if (of(device) == 1) return NOT_SUPPORTED;
            *now = *next = of(device) == 3;
            return OK;
        }
        int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count) { *count = 2; return OK; }
        int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned at, void **part) {
            *part = (void *)9;
            return at == 1 ? OK : NOT_FOUND;
        }
        int nvmlDeviceGetUtilizationRates(void *device, rates *out) {
            out->gpu = 7;
            return of(device) == 1 ? OK : of(device) == 4 ? LOST : NOT_SUPPORTED;
        }
        int nvmlDeviceGetMemoryInfo_v2(void *device, memory *out) {
            if (out->version != (sizeof *out | 2u << 24)) return NOT_SUPPORTED;
            out->total = 1000 * of(device);
            out->used = 10 * of(device);
            out->free = 980 * of(device);
            return of(device) == 4 ? LOST : OK;
        }
        int nvmlDeviceGetPowerUsage(void *device, unsigned *out) { *out = 61005; return of(device) % 2 && of(device) < 9 ? OK : LOST; }
        int nvmlDeviceGetPowerManagementLimit(void *device, unsigned *out) { *out = 700000; return of(device) == 1 ? OK : NOT_SUPPORTED; }
        int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *out) { *out = 5000000000123ULL; return of(device) == 1 ? OK : LOST; }
    "#;

    /// Compiles the driver, which says `start` when it is opened.
    fn driver(start: u32) -> PathBuf {
        static BUILT: AtomicU32 = AtomicU32::new(0);
        let name = (std::process::id(), BUILT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("headrace-nvml-{}-{}", name.0, name.1));
        std::fs::create_dir_all(&folder).unwrap();
        let (source, library) = (folder.join("driver.c"), folder.join("libnvidia-ml.so.1"));
        std::fs::write(&source, DRIVER).unwrap();
        let define = format!("-DSTART={start}");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", &define, "-o"]).args([&library, &source]).status();
        assert!(built.unwrap().success());
        library
    }

    fn open(library: &Path) -> Option<Nvml> {
        Nvml::builder().lib_path(library.as_os_str()).init().ok()
    }

    #[test]
    fn gpus_are_told_by_tritons_names_and_what_one_does_not_tell_is_left_out() {
        let library = driver(0);
        let mut page = Page::default();
        write_gpus(&mut page, &gpus(&open(&library).unwrap()));
        let text = page.finish();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                r#"nv_gpu_utilization{gpu_uuid="GPU-1"} 0.07"#,
                r#"nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 1000"#,
                r#"nv_gpu_memory_total_bytes{gpu_uuid="GPU-3"} 3000"#,
                r#"nv_gpu_memory_total_bytes{gpu_uuid="MIG-9"} 9000"#,
                r#"nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 10"#,
                r#"nv_gpu_memory_used_bytes{gpu_uuid="GPU-3"} 30"#,
                r#"nv_gpu_memory_used_bytes{gpu_uuid="MIG-9"} 90"#,
                r#"nv_gpu_power_usage{gpu_uuid="GPU-1"} 61.005"#,
                r#"nv_gpu_power_usage{gpu_uuid="GPU-3"} 61.005"#,
                r#"nv_gpu_power_limit{gpu_uuid="GPU-1"} 700.000"#,
                r#"nv_energy_consumption{gpu_uuid="GPU-1"} 5000000000.123"#,
            ]
        );
        std::fs::remove_dir_all(library.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_gpus_memory_is_found_by_its_place_and_by_its_name() {
        let library = driver(0);
        let nvml = open(&library).unwrap();
        let of =
            |uuid: &str, at: u64| Some(GpuMemory { uuid: uuid.into(), total: 1000 * at, free: 980 * at });
        let table = [
            ("0", of("GPU-1", 1)),
            ("2", of("GPU-3", 3)),
            ("GPU-3", of("GPU-3", 3)),
            ("MIG-9", of("MIG-9", 9)),
            ("3", None),
            ("1", None),
            ("nobody", None),
            ("", None),
            ("-1", None),
        ];
        for (entry, expected) in table {
            assert_eq!(memory_of(&nvml, entry), expected, "{entry}");
        }
        std::fs::remove_dir_all(library.parent().unwrap()).unwrap();
    }

    #[test]
    fn without_a_driver_that_works_nothing_is_told() {
        let library = driver(9); // NVML_ERROR_DRIVER_NOT_LOADED
        assert!(open(&library).is_none());
        assert!(open(Path::new("/nowhere/libnvidia-ml.so.1")).is_none());
        let mut page = Page::default();
        write_gpus(&mut page, &[]);
        assert_eq!(page.finish(), "");
        std::fs::remove_dir_all(library.parent().unwrap()).unwrap();
    }
}
