#pragma once
// Where the window can be shown.

namespace polykv {

// Without DISPLAY and WAYLAND_DISPLAY: starts this program again with the same arguments under
// xvfb-run with a screen of this size (does not return), or throws Error(failed) that says what to
// install.
void ensure_display(int width, int height);

}  // namespace polykv
