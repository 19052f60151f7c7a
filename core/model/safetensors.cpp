#include "core/model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/files.h"

namespace polykv {
namespace {

struct TypeName {
  const char* name;
  StoredType type;
  std::size_t size;
};
constexpr TypeName kTypes[] = {
    {"F32", StoredType::f32, 4}, {"F16", StoredType::f16, 2}, {"BF16", StoredType::bf16, 2}};
// Types that may stand in a file as long as nobody asks for the tensor.
constexpr struct {
  const char* name;
  std::size_t size;
} kOtherTypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2},
                   {"U16", 2},  {"I32", 4}, {"U32", 4}, {"F64", 8},     {"I64", 8},     {"U64", 8}};

std::string unsupported(const std::string& dtype) {
  return "dtype " + dtype + " is not supported, expected F32, F16 or BF16";
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_input(path, "", "cannot be opened: " + std::string(std::strerror(errno)));
  struct stat info {};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  size_ = regular ? static_cast<std::size_t>(info.st_size) : 0;
  if (size_ < 8) {
    ::close(fd);
    fail_input(path, "", "expected a safetensors file of at least 8 bytes");
  }
  void* map = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (map == MAP_FAILED) fail_input(path, "", "cannot be mapped into memory");
  map_ = static_cast<const char*>(map);
  try {
    read_header();
  } catch (...) {
    ::munmap(const_cast<char*>(map_), size_);
    throw;
  }
}

SafetensorsFile::~SafetensorsFile() { ::munmap(const_cast<char*>(map_), size_); }

void SafetensorsFile::read_header() {
  std::uint64_t header = 0;
  std::memcpy(&header, map_, 8);
  if (header > size_ - 8) {
    fail_input(path_, "header",
               "says it has " + std::to_string(header) + " bytes, the file holds " +
                   std::to_string(size_ - 8) + " after the length: truncated or not safetensors");
  }
  const std::string_view text(map_ + 8, header);
  const Json json = parse_json(text, path_ + ": header");
  if (!json.is_object()) fail_input(path_, "header", "expected a JSON object");
  const unsigned char* data = reinterpret_cast<const unsigned char*>(map_) + 8 + header;
  const std::uint64_t room = size_ - 8 - header;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") continue;
    const auto fail = [&, &key = name](const std::string& what) { fail_input(path_, key, what); };
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
        !entry.contains("data_offsets") || !entry["dtype"].is_string() ||
        !entry["shape"].is_array() || !entry["data_offsets"].is_array() ||
        entry["data_offsets"].size() != 2) {
      fail("expected dtype, shape and two data_offsets");
    }
    StoredTensor tensor;
    const std::string dtype = entry["dtype"].get<std::string>();
    const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                    [&](const TypeName& t) { return dtype == t.name; });
    const auto* other = std::find_if(std::begin(kOtherTypes), std::end(kOtherTypes),
                                     [&](const auto& t) { return dtype == t.name; });
    const bool is_usable = type != std::end(kTypes);
    if (!is_usable && other == std::end(kOtherTypes)) fail(unsupported(dtype));
    const std::size_t width = is_usable ? type->size : other->size;
    if (is_usable) tensor.type = type->type;
    std::uint64_t count = 1;
    for (const Json& side : entry["shape"]) {
      if (!side.is_number_unsigned()) fail("shape: expected whole numbers, found " + side.dump());
      const std::uint64_t length = side.get<std::uint64_t>();
      constexpr std::uint64_t kLongest = std::numeric_limits<std::int64_t>::max();
      if (length > kLongest || (length != 0 && count > room / length)) {
        fail("shape is larger than the file");
      }
      count *= length;
      tensor.shape.push_back(static_cast<std::int64_t>(length));
    }
    for (const Json& end : entry["data_offsets"]) {
      if (!end.is_number_unsigned()) fail("data_offsets: expected whole numbers");
    }
    const auto first = entry["data_offsets"][0].get<std::uint64_t>();
    const auto last = entry["data_offsets"][1].get<std::uint64_t>();
    if (first > last || last > room) {
      fail("data_offsets [" + std::to_string(first) + ", " + std::to_string(last) +
           "] lie outside the " + std::to_string(room) + " bytes of data: truncated file");
    }
    if (last - first != count * width) {
      fail("shape " + shape_text(tensor.shape) + " of " + dtype + " needs " +
           std::to_string(count * width) + " bytes, data_offsets give " +
           std::to_string(last - first));
    }
    tensor.data = data + first;
    tensor.bytes = last - first;
    if (tensor.bytes > 0) ranges.emplace_back(first, last);
    if (is_usable) {
      tensors_.emplace(name, std::move(tensor));
    } else {
      unusable_.emplace(name, dtype);
    }
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      fail_input(path_, "data_offsets",
                 "two tensors overlap at byte " + std::to_string(ranges[i].first));
    }
  }
}

const StoredTensor& SafetensorsFile::find(const std::string& name,
                                          const std::vector<std::int64_t>& shape) const {
  const auto unusable = unusable_.find(name);
  if (unusable != unusable_.end()) fail_input(path_, name, unsupported(unusable->second));
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail_input(path_, name, "the tensor is missing");
  if (found->second.shape != shape) {
    fail_input(path_, name,
               "expected shape " + shape_text(shape) + " from config.json, found " +
                   shape_text(found->second.shape));
  }
  return found->second;
}

void write_safetensors(const std::string& path, const std::vector<FloatTensor>& tensors) {
  Json header = Json::object();
  std::uint64_t at = 0;
  for (const FloatTensor& tensor : tensors) {
    const std::uint64_t bytes = tensor.values.size() * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned to 8 bytes
  std::string file(8, '\0');
  const std::uint64_t length = text.size();
  std::memcpy(file.data(), &length, 8);
  file += text;
  file.reserve(file.size() + at);
  for (const FloatTensor& tensor : tensors) {
    file.append(reinterpret_cast<const char*>(tensor.values.data()),
                tensor.values.size() * sizeof(float));
  }
  write_file_atomic(path, file);
}

}  // namespace polykv
