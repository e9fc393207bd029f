use super::*;
use crate::mem::region::testing::Memory;

fn in_system(regions: &Regions, named: &InRegion) -> Result<Slot, Fault> {
    match regions.find(named)? {
        Found::System(slot) => Ok(slot),
        Found::Device(region) => panic!("{region:?} is on a device"),
    }
}

fn part(region: &str, offset: u64, len: u64) -> InRegion {
    InRegion { region: region.into(), offset, len, device: None }
}

#[test]
fn regions_are_registered_once_and_told() {
    let (memory, regions) = (Memory::of(b"0123456789"), Regions::new(2));
    let key = memory.key.as_str();
    regions.register("b", key, 4, 6).unwrap();
    for name in ["", &"n".repeat(NAME_BYTES + 1)] {
        assert!(regions.register(name, key, 0, 1).unwrap_err().note.contains("1 to 4096 bytes"));
    }
    let again = regions.register("b", key, 0, 1).unwrap_err();
    assert_eq!(again.note, "shared memory region 'b' already in manager");
    regions.register("a", key, 0, 10).unwrap();
    let full = regions.register("c", key, 0, 1).unwrap_err();
    assert!(full.kind == Kind::Overloaded && full.note.contains("limit client_regions"), "{full}");
    let told = |one: &Status| (one.name.clone(), one.offset, one.byte_size);
    let all: Vec<_> = regions.status(None).unwrap().iter().map(told).collect();
    assert_eq!(all, [("a".into(), 0, 10), ("b".into(), 4, 6)]);
    assert_eq!(regions.status(Some("b")).unwrap().len(), 1);
    let none = regions.status(Some("c")).unwrap_err();
    assert_eq!(none.note, "Unable to find system shared memory region: 'c'");
    regions.unregister(Some("c"));
    regions.unregister(Some("a"));
    assert_eq!(regions.status(None).unwrap().len(), 1);
    regions.unregister(None);
    assert_eq!(regions.status(None), Ok(vec![]));
}

#[test]
fn a_request_keeps_the_part_that_it_named() {
    let (memory, other, regions) = (Memory::of(b"0123456789"), Memory::of(b"abcdefghij"), Regions::new(2));
    regions.register("r", &memory.key, 4, 6).unwrap();
    let slot = in_system(&regions, &part("r", 1, 3)).unwrap();
    regions.unregister(None);
    regions.register("r", &other.key, 0, 10).unwrap();
    let mut read = vec![0; slot.len()];
    slot.read(&mut read).unwrap();
    assert_eq!(read, b"567");
    for (offset, len) in [(0, 11), (11, 0), (9, 2), (u64::MAX, 1)] {
        let fault = in_system(&regions, &part("r", offset, len)).unwrap_err();
        assert!(
            fault.note.starts_with("Invalid offset + byte size for shared memory region: 'r'"),
            "{fault}"
        );
    }
    let none = in_system(&regions, &part("s", 0, 1)).unwrap_err();
    assert_eq!((none.kind, &*none.note), (Kind::NotFound, "Unable to find shared memory region: 's'"));
    std::fs::write(other.path(), b"ab").unwrap();
    let short = in_system(&regions, &part("r", 0, 10)).unwrap().read(&mut [0; 10]).unwrap_err();
    assert!(short.note.contains("shorter than it was when it was registered"), "{short}");
}

#[test]
fn switched_off_there_are_none() {
    let (memory, regions) = (Memory::of(b"0123456789"), Regions::new(0));
    assert_eq!(regions.register("r", &memory.key, 0, 1).unwrap_err().kind, Kind::Unsupported);
    assert_eq!(in_system(&regions, &part("r", 0, 1)).unwrap_err().kind, Kind::Unsupported);
    assert_eq!(regions.status(None), Ok(vec![]));
}

#[test]
fn regions_on_devices_have_their_names_among_the_others() {
    let (memory, regions) = (Memory::of(b"0123456789"), Regions::new(3));
    let handle = [7; 64];
    regions.register_device("d", &handle, 1, 100).unwrap();
    regions.register("s", &memory.key, 0, 10).unwrap();
    let again = regions.register("d", &memory.key, 0, 1).unwrap_err();
    assert_eq!(again.note, "shared memory region 'd' already in manager");
    let told = |name| regions.device_status(name).map_err(|fault| fault.note.into_owned());
    let whole = DeviceStatus { name: "d".into(), device: 1, byte_size: 100 };
    assert_eq!(told(None), Ok(vec![whole.clone()]));
    assert_eq!(told(Some("d")), Ok(vec![whole]));
    assert_eq!(told(Some("s")), Err("Unable to find cuda shared memory region: 's'".to_owned()));
    assert_eq!(regions.status(None).unwrap().len(), 1);
    for (handle, device, want) in
        [(&handle[..63], 0, "its handle has 63 bytes"), (&handle[..], -1, "there is no device -1")]
    {
        let wrong = regions.register_device("e", handle, device, 1).unwrap_err();
        assert!(wrong.kind == Kind::Invalid && wrong.note.contains(want), "{wrong}");
    }
    assert!(matches!(regions.find(&part("d", 90, 10)), Ok(Found::Device(region)) if region.handle == handle));
    for (offset, len) in [(91, 10), (u64::MAX, 2)] {
        let beyond = regions.find(&part("d", offset, len)).unwrap_err();
        assert!(beyond.note.contains("and it has 100"), "{beyond}");
    }
    regions.unregister(Some("d"));
    assert_eq!(regions.device_status(None).unwrap().len(), 1, "it is no system shared memory");
}

#[tokio::test]
async fn a_region_on_a_device_is_given_back_when_nobody_looks_at_it() {
    let regions = Regions::new(2);
    regions.register_device("d", &[7; 64], 0, 100).unwrap();
    let call = regions.find(&part("d", 0, 10)).unwrap();
    let mut gone = Box::pin(regions.unregister_device(None));
    tokio::select! {
        biased;
        () = &mut gone => panic!("a request holds it"),
        () = std::future::ready(()) => {}
    }
    assert!(regions.find(&part("d", 0, 10)).is_err(), "and no other finds it");
    regions.register_device("d", &[8; 64], 0, 100).unwrap();
    drop(call);
    gone.await;
    regions.unregister_device(Some("other")).await;
    assert_eq!(regions.device_status(None).unwrap().len(), 1);
}
