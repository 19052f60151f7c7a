#pragma once
// Reading and writing whole files with errors that name the file.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polykv {

using Json = nlohmann::json;

// The whole file; throws an input Error when it cannot be read.
std::string read_text_file(const std::string& path);

// Parses text that came from `origin` (a path or "--plan"); an Error names origin, line and cause.
// A key that stands twice in one object is an Error that names it.
Json parse_json(std::string_view text, const std::string& origin);
Json read_json_file(const std::string& path);

// Writes to a temporary file beside path, fsyncs and renames; throws Error(failed) and leaves an
// existing file as it was when the disk is full or the folder is not writable.
void write_file_atomic(const std::string& path, std::string_view bytes);

}  // namespace polykv
