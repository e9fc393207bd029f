//! What the allocator keeps although nobody holds it any more.
#![expect(unsafe_code, reason = "calls into the allocator, which is C")]

use libmimalloc_sys::{mi_collect, mi_free, mi_malloc};

/// Gives free pages back to the system, whichever thread freed them. The allocator means to do that a second after they
/// became free, but only when it frees more: a process that has fallen idle keeps them for good. Takes up to some 0.1 s
/// for a gigabyte, and lets others allocate meanwhile.
pub fn give_back() {
    // SAFETY: any size may be asked for, from any thread; nobody looks at what it points to.
    let block = unsafe { mi_malloc(1) };
    // SAFETY: from the line before, and freed once. A null is let through.
    unsafe { mi_free(block) };
    // SAFETY: from any thread, at any time: it touches what is free, and this thread's own heap. A thread that has taken
    // nothing yet has none, and would give nothing back.
    unsafe { mi_collect(true) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::param::page_size;

    const LEN: usize = 256 << 20;

    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * page_size()
    }

    #[test]
    fn what_another_thread_freed_is_given_back() {
        // SAFETY: as above.
        let block = unsafe { mi_malloc(LEN) };
        // SAFETY: all of it is the block's.
        unsafe { block.cast::<u8>().write_bytes(7, LEN) };
        let held = resident();
        // SAFETY: from `mi_malloc`, and freed once.
        unsafe { mi_free(block) };
        std::thread::spawn(give_back).join().unwrap();
        let left = resident();
        assert!(left < held - LEN / 2, "{left} bytes of {held}"); // other tests take and free meanwhile
    }
}
