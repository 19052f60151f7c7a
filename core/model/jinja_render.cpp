// Walks the statements and writes the text.
#include <algorithm>
#include <ctime>

#include "core/model/jinja.h"
#include "core/model/jinja_words.h"

namespace polykv::jinja {
namespace {

using Kind = Node::Kind;
using VKind = Value::Kind;

// Bounds time and memory of a render: steps taken, and about as many bytes made.
constexpr std::int64_t kMostSteps = 1'000'000, kMostMade = 100'000'000;

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names(1);
  for (const char c : text) {
    if (c == ',') {
      names.emplace_back();
    } else {
      names.back() += c;
    }
  }
  return names;
}

class Renderer {
 public:
  Renderer(const std::map<std::string, Value>& globals, const Origin& origin)
      : words_(origin), origin_(origin), scopes_{globals} {}

  std::string run(const std::vector<NodePtr>& nodes) {
    std::string out;
    statements(nodes, out);
    return out;
  }

 private:
  enum class Flow { on, leave, next };

  [[noreturn]] void fail(const Node& node, const std::string& what) const {
    origin_.fail(node.line, what);
  }
  void count_step(const Node& node, std::int64_t steps = 1) {
    if ((steps_ += steps) > kMostSteps) fail(node, "the template does not come to an end");
  }
  Value count_made(const Node& node, Value value) {
    constexpr std::size_t kItem = sizeof(Value);
    made_ += static_cast<std::int64_t>(value.text.size());
    if (value.list) made_ += static_cast<std::int64_t>(value.list->size() * kItem);
    if (value.dict) made_ += static_cast<std::int64_t>(value.dict->size() * kItem);
    if (made_ > kMostMade) fail(node, "the template does not come to an end");
    return value;
  }
  void write(const Node& node, const std::string& text, std::string& out) const {
    out += text;
    if (out.size() > kMostBytes) fail(node, "the template writes more than 64 MiB");
  }

  Flow statements(const std::vector<NodePtr>& nodes, std::string& out) {
    for (const NodePtr& node : nodes) {
      count_step(*node);
      Flow flow = Flow::on;
      switch (node->kind) {
        case Kind::data:
          write(*node, node->text, out);
          break;
        case Kind::output: {
          const Value value = eval(*node->parts[0]);
          write(*node, words_.shown(value, node->line), out);
          break;
        }
        case Kind::assign:
          assign(*node, eval(*node->parts[0]));
          break;
        case Kind::assign_block: {
          std::string text;
          scopes_.emplace_back();
          statements(node->body, text);
          scopes_.pop_back();
          assign(*node, Value::string(text));
          break;
        }
        case Kind::branch:
          flow = statements(truth(eval(*node->parts[0])) ? node->body : node->otherwise, out);
          break;
        case Kind::loop:
          loop(*node, out);
          break;
        case Kind::leave:
          return Flow::leave;
        case Kind::next:
          return Flow::next;
        default:
          fail(*node, "an expression stands where a statement belongs");
      }
      if (flow != Flow::on) return flow;
    }
    return Flow::on;
  }

  void assign(const Node& node, const Value& value) {
    const auto dot = node.text.find('.');
    if (dot == std::string::npos) return unpack(node, value);
    const Value space = lookup(node.text.substr(0, dot));
    if (!space.is(VKind::space)) fail(node, "only a namespace can be assigned to by '.'");
    words_.check_inside(value, node.line);
    const std::string key = node.text.substr(dot + 1);
    for (auto& [name, old] : *space.dict) {
      if (name == key) {
        old = value;
        return;
      }
    }
    space.dict->emplace_back(key, value);
  }
  void unpack(const Node& node, const Value& value) {
    const std::vector<std::string> names = names_of(node.text);
    if (names.size() == 1) {
      scopes_.back()[names[0]] = value;
      return;
    }
    if (!value.is(VKind::list) || value.list->size() != names.size()) {
      fail(node, "expected " + std::to_string(names.size()) + " values for " + node.text);
    }
    for (std::size_t i = 0; i < names.size(); ++i) scopes_.back()[names[i]] = (*value.list)[i];
  }

  void loop(const Node& node, std::string& out) {
    const List all = words_.items_of(eval(*node.parts[0]), node.line);
    List items;
    for (const Value& item : all) {
      if (node.parts[1]) {
        scopes_.emplace_back();
        unpack(node, item);
        const bool is_wanted = truth(eval(*node.parts[1]));
        scopes_.pop_back();
        if (!is_wanted) continue;
      }
      items.push_back(item);
    }
    const auto count = static_cast<std::int64_t>(items.size());
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = [&](std::int64_t j) {
        return j >= 0 && j < count ? items[static_cast<std::size_t>(j)] : Value::undefined("item");
      };
      count_step(node, 20);  // a scope and `loop` cost about that
      scopes_.emplace_back();
      unpack(node, at(i));
      Value state = Value::from(Dict{{"index", Value::number(i + 1)},
                                     {"index0", Value::number(i)},
                                     {"revindex", Value::number(count - i)},
                                     {"revindex0", Value::number(count - i - 1)},
                                     {"first", Value::boolean(i == 0)},
                                     {"last", Value::boolean(i == count - 1)},
                                     {"length", Value::number(count)},
                                     {"previtem", at(i - 1)},
                                     {"nextitem", at(i + 1)}});
      state.kind = VKind::space;
      scopes_.back()["loop"] = state;
      const Flow flow = statements(node.body, out);
      scopes_.pop_back();
      if (flow == Flow::leave) break;
    }
    if (count == 0) statements(node.otherwise, out);
  }

  Value lookup(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    }
    return words_.global(name);
  }

  Value eval(const Node& node) {
    count_step(node);
    return count_made(node, value_of(node));
  }
  Value value_of(const Node& node) {
    switch (node.kind) {
      case Kind::literal:
        return node.value;
      case Kind::name:
        return lookup(node.text);
      case Kind::list: {
        List list;
        for (const NodePtr& part : node.parts) {
          list.push_back(eval(*part));
          words_.check_inside(list.back(), node.line);
        }
        return Value::from(std::move(list));
      }
      case Kind::dict: {
        Dict dict;
        for (std::size_t i = 0; i < node.parts.size(); i += 2) {
          const Value key = eval(*node.parts[i]);
          if (!key.is(VKind::text)) fail(node, "a dict key that is no string is not supported");
          if (find(dict, key.text) != nullptr) fail(node, "the dict has '" + key.text + "' twice");
          dict.emplace_back(key.text, eval(*node.parts[i + 1]));
          words_.check_inside(dict.back().second, node.line);
        }
        return Value::from(std::move(dict));
      }
      case Kind::attribute:
        return words_.attribute(eval(*node.parts[0]), node.text, node.line);
      case Kind::item:
        return words_.item(eval(*node.parts[0]), eval(*node.parts[1]), node.line);
      case Kind::slice:
        return words_.slice(eval(*node.parts[0]), part(node, 1), part(node, 2), part(node, 3),
                            node.line);
      case Kind::call:
        return call(node);
      case Kind::filter:
        return words_.filter(node.text, arguments(node), node.line);
      case Kind::test:
        return Value::boolean(words_.test(node.text, arguments(node).values, node.line));
      case Kind::negation:
        return Value::boolean(!truth(eval(*node.parts[0])));
      case Kind::minus:
        return words_.binary("-", Value::number(0), eval(*node.parts[0]), node.line);
      case Kind::condition:
        if (truth(eval(*node.parts[0]))) return eval(*node.parts[1]);
        return node.parts[2] ? eval(*node.parts[2]) : Value::undefined("the else of an if");
      case Kind::binary: {
        const Value left = eval(*node.parts[0]);
        if (node.text == "and") return truth(left) ? eval(*node.parts[1]) : left;
        if (node.text == "or") return truth(left) ? left : eval(*node.parts[1]);
        return words_.binary(node.text, left, eval(*node.parts[1]), node.line);
      }
      default:
        fail(node, "a statement stands where an expression belongs");
    }
  }
  Value part(const Node& node, std::size_t index) {
    return node.parts[index] ? eval(*node.parts[index]) : Value::none();
  }
  Arguments arguments(const Node& node) {
    Arguments given;
    for (const NodePtr& one : node.parts) given.values.push_back(eval(*one));
    for (const auto& [name, one] : node.keywords) given.named.emplace_back(name, eval(*one));
    return given;
  }
  Value call(const Node& node) {
    const Node& callee = *node.parts[0];
    Arguments given;
    for (std::size_t i = 1; i < node.parts.size(); ++i)
      given.values.push_back(eval(*node.parts[i]));
    for (const auto& [name, one] : node.keywords) given.named.emplace_back(name, eval(*one));
    if (callee.kind == Kind::attribute) {
      return words_.method(eval(*callee.parts[0]), callee.text, given, node.line);
    }
    const Value function = eval(callee);
    if (!function.is(VKind::function)) {
      fail(node, (callee.kind == Kind::name ? "'" + callee.text + "' is " : "the callee is ") +
                     std::string(kind_name(function)) + ", expected a function");
    }
    return words_.call(function.text, given, node.line);
  }

  const Words words_;
  const Origin& origin_;
  std::vector<std::map<std::string, Value>> scopes_;
  std::int64_t steps_ = 0, made_ = 0;
};

}  // namespace

std::string render(const std::vector<NodePtr>& nodes, const std::map<std::string, Value>& globals,
                   const Origin& origin) {
  return Renderer(globals, origin).run(nodes);
}

}  // namespace polykv::jinja
