#pragma once
// Amounts as people read them, for sentences and progress of every room.
#include <cstdint>
#include <string>

namespace polykv {

std::string count_text(std::int64_t n);      // "1,024"
std::string bytes_text(std::int64_t bytes);  // "384 KiB", "9.2 GiB"
// Progress by bytes in the unit of the total: "1.2 of 3.4 GiB".
std::string bytes_of_text(std::int64_t done, std::int64_t total);

std::string seconds_text(double seconds);  // "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"
std::string percent_text(double share);    // "3.1%", "12%"

}  // namespace polykv
