/* The double nearest to a decimal number, whatever the locale. */
#pragma once
#include <charconv>
#include <system_error>

#include <Python.h>

/* first to last: digits, perhaps with a point and an exponent, no sign, and a byte after them that can't belong to them.
   False, and *out as it was, where the number is too large or rounds to 0; it may also be given as infinity or 0. */
static inline bool fastsgd_nearest(const char* first, const char* last, double* out) noexcept {
#ifdef __cpp_lib_to_chars
    return std::from_chars(first, last, *out).ec == std::errc();
#else /* older standard libraries have it for integers alone */
    PyGILState_STATE held = PyGILState_Ensure();
    char* end;
    double value = PyOS_string_to_double(first, &end, nullptr);
    bool fine = !PyErr_Occurred() && end == last;
    PyErr_Clear();
    PyGILState_Release(held);
    if (fine)
        *out = value;
    return fine;
#endif
}
