#pragma once
// SHA-256 (FIPS 180-4), for fingerprints.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace polykv {

// Takes bytes in any number of pieces: add(...), add(...), then hex() once.
class Sha256 {
 public:
  void add(std::string_view bytes);
  std::string hex();  // 64 lower-case digits; ends the sum

 private:
  void mix_block(const unsigned char* block);  // 64 bytes

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> waiting_{};  // bytes short of a block
  std::size_t waiting_count_ = 0;
  std::uint64_t total_bytes_ = 0;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace polykv
