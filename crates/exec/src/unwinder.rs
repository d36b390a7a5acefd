//! In place of the unwinder, which the released wrapper never calls: it aborts on panic.
//!
//! Precompiled code of the standard library names these functions all the same. With the real ones come the unwinder
//! and, behind `_Unwind_Backtrace`, all that reads debugging information to print a backtrace of a binary that has
//! none: 0.29 MB of 0.47 MB (x86_64). A panic still says where it happened. Should a later standard library name one
//! more of them, the linker says so, as it then finds the others twice.
//! <https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html>
#![expect(unsafe_code, reason = "symbols that the standard library is linked to")]

use std::ffi::{c_int, c_void};

/// Ends a backtrace before its first frame.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
    const END_OF_STACK: c_int = 5;
    END_OF_STACK
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume(_exception: *mut c_void) -> ! {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_DeleteException(_exception: *mut c_void) {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetDataRelBase(_context: *mut c_void) -> usize {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetIPInfo(_context: *mut c_void, _before: *mut c_int) -> usize {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetLanguageSpecificData(_context: *mut c_void) -> *const c_void {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetRegionStart(_context: *mut c_void) -> usize {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_GetTextRelBase(_context: *mut c_void) -> usize {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_SetGR(_context: *mut c_void, _register: c_int, _value: usize) {
    std::process::abort()
}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_SetIP(_context: *mut c_void, _value: usize) {
    std::process::abort()
}
