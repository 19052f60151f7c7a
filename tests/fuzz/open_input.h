#pragma once
// What the fuzz targets and the corpus test do with one input: open it and use what came out. Only
// polykv::Error may leave; std::logic_error says that the reader let something false through.
#include <stdexcept>
#include <string>
#include <vector>

#include "core/model/chat_template.h"
#include "core/model/config.h"
#include "core/model/safetensors.h"
#include "core/model/tokenizer.h"
#include "core/model/weights.h"
#include "tests/support/scratch.h"

namespace polykv::fuzz {

inline void require(bool holds, const char* sentence) {
  if (!holds) throw std::logic_error(sentence);
}

// Every byte of every tensor is read: a range outside the mapping would end the process.
inline void open_safetensors(const ScratchFolder& folder, const std::string& bytes) {
  const SafetensorsFile file(folder.write("model.safetensors", bytes));
  const auto* begin = reinterpret_cast<const unsigned char*>(file.bytes().data());
  const std::size_t size = file.bytes().size();
  require(size == bytes.size(), "the mapping has the size of the file");
  std::vector<bool> taken(size);
  for (const auto& [name, tensor] : file.tensors()) {
    const std::size_t width = tensor.type == StoredType::f32 ? 4 : 2;
    std::size_t count = 1;
    for (const std::int64_t side : tensor.shape) {
      require(side >= 0, "no side of a shape is negative");
      count *= static_cast<std::size_t>(side);
    }
    require(count * width == tensor.bytes, "shape and bytes agree");
    const auto at = static_cast<std::size_t>(tensor.data - begin);
    require(at >= 8 && at <= size && tensor.bytes <= size - at, "a tensor lies inside the file");
    for (std::size_t i = 0; i < tensor.bytes; ++i) {
      require(!taken[at + i], "no two tensors share a byte");
      require(tensor.data[i] == static_cast<unsigned char>(bytes[at + i]), "bytes are the file's");
      taken[at + i] = true;
    }
    require(&file.find(name, tensor.shape) == &tensor, "a tensor is found by name and shape");
  }
}

// The index stands beside two shards: "1.safetensors" holds "a", "2.safetensors" holds "b" and "c".
inline void open_index(const ScratchFolder& folder, const std::string& bytes) {
  if (!std::filesystem::exists(folder.file("1.safetensors"))) {
    write_safetensors(folder.file("1.safetensors"), {{"a", {2}, {1, 2}}});
    write_safetensors(folder.file("2.safetensors"), {{"b", {2}, {3, 4}}, {"c", {1, 1}, {5}}});
  }
  folder.write("model.safetensors.index.json", bytes);
  const Weights weights(folder.path);
  require(!weights.files().empty() && weights.files().size() <= 2, "each shard is opened once");
  for (const auto& [name, shape] :
       {std::pair<const char*, std::vector<std::int64_t>>{"a", {2}}, {"b", {2}}, {"c", {1, 1}}}) {
    const std::string& file = weights.file_of(name);
    if (!file.ends_with(".index.json")) {  // else the index does not name the tensor
      require(file.ends_with(*name == 'a' ? "/1.safetensors" : "/2.safetensors"),
              "a tensor is in the shard that holds it");
      require(weights.find(name, shape).bytes >= 4, "a placed tensor has its bytes");
    }
  }
}

inline void open_config(const ScratchFolder& folder, const std::string& bytes) {
  folder.write("config.json", bytes);
  const ModelConfig config = read_config(folder.path);
  const ModelShape& shape = config.shape;
  for (const int side : {shape.layers, shape.query_heads, shape.kv_heads, shape.head_dim,
                         shape.hidden, shape.vocab, shape.max_tokens, config.intermediate}) {
    require(side >= 1, "every size is at least 1");
  }
  require(shape.query_heads % shape.kv_heads == 0, "every key head serves whole query heads");
  require(static_cast<int>(config.windows.size()) == shape.layers, "every layer has its window");
  require(config.rope.factor > 0 && config.rope.theta > 0, "RoPE numbers are above 0");
}

inline void open_template(const ScratchFolder& folder, const std::string& bytes) {
  folder.write("chat_template.jinja", bytes);
  const auto chat = ChatTemplate::read(folder.path);
  require(chat.has_value(), "a file that is there is a template");
  const std::vector<ChatMessage> talk = {{"system", "Be brief."},
                                         {"user", " h\u00e9llo \U0001F600\n"},
                                         {"assistant", ""},
                                         {"user", "x"}};
  chat->render({talk[1]});
  chat->render(talk);
}

inline void open_tokenizer(const ScratchFolder& folder, const std::string& bytes) {
  folder.write("tokenizer.json", bytes);
  const Tokenizer tokenizer = Tokenizer::read(folder.path);
  const char* const texts[] = {
      "", " ", "the quick brown fox  jumps;\n\n\tfor (int i = 0; i < 1234; ++i) {}\r\n",
      "na\u00efve \u4e2d\u6587 \U0001F600\U0001F468\u200D\U0001F469 \u0958 a\u0301 \u2581x",
      "<s>[INST] hello </s><|im_start|>user\n<0x0A>"};
  for (const char* text : texts) {
    for (const bool add_special : {false, true}) {
      const std::vector<int> ids = tokenizer.encode(text, add_special);
      for (const int id : ids) {
        require(id >= 0 && id < tokenizer.size(), "every id is one of the vocabulary");
        tokenizer.display(id);
      }
      tokenizer.decode(ids, add_special);
    }
  }
  const int odd[] = {0, -1, tokenizer.size(), tokenizer.size() - 1, 2147483647, 3, 3, 1};
  tokenizer.decode(odd);
}

}  // namespace polykv::fuzz
