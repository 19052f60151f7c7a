#include "app/picture.h"

#include <GLFW/glfw3.h>
#include <stb_image_write.h>

#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "core/files.h"

namespace polykv {

void save_framebuffer(const std::string& path, int width, int height) {
  std::vector<unsigned char> pixels(static_cast<std::size_t>(width) *
                                    static_cast<std::size_t>(height) * 3);
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(0, 0, width, height, GL_RGB, GL_UNSIGNED_BYTE, pixels.data());
  // OpenGL's first row is the lowest: write from the last row up with a negative stride.
  const int stride = width * 3;
  const unsigned char* last =
      pixels.data() + static_cast<std::size_t>(stride) * static_cast<std::size_t>(height - 1);
  std::string png;
  auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(data),
                                          static_cast<std::size_t>(size));
  };
  stbi_flip_vertically_on_write(0);
  if (!stbi_write_png_to_func(append, &png, width, height, 3, last, -stride))
    throw Error(ErrorKind::failed, path + ": the picture could not be encoded.");
  write_file_atomic(path, png);
}

}  // namespace polykv
