#pragma once
// Amounts as people read them, for sentences and progress of every room.
#include <cstdint>
#include <string>

namespace polykv {

std::string count_text(std::int64_t n);      // "1,024"
std::string bytes_text(std::int64_t bytes);  // "384 KiB", "9.2 GiB"
// Progress by bytes in the unit of the total: "1.2 of 3.4 GiB".
std::string bytes_of_text(std::int64_t done, std::int64_t total);

}  // namespace polykv
