#pragma once
// Pictures of the window.
#include <string>

namespace polykv {

// Reads the current OpenGL framebuffer (device pixels) and writes it as a PNG, atomically. Throws
// Error(failed) when the file cannot be written.
void save_framebuffer(const std::string& path, int width, int height);

}  // namespace polykv
