#!/usr/bin/env python3
"""Writes tests/goldens/chat.jsonl: chat templates with the constructs of the common families, and what transformers 5.2.0
(jinja2 3.1) renders with them, with add_generation_prompt and without tools.
    make_chat.py [FILE]
A line: {name, template, tokens, messages, text}, or error: true in place of text when the template refuses the messages."""
import json, os, sys
from transformers.utils.chat_template_utils import render_jinja_template

S = lambda text: {"role": "system", "content": text}
U = lambda text: {"role": "user", "content": text}
A = lambda text: {"role": "assistant", "content": text}
TALKS = {
    "user": [U("What is 2 + 2?")],
    "system": [S("Be brief."), U("  padded text \n")],
    "turns": [S("You are a poet."), U("Hi"), A("Hello!\nHow are you?"), U("Zoë says: \"<b>\\n</b>\" & 'x' {{ 1 }} {% if %}")],
    "empty": [U("")],
    "long": [U("a"), A("b"), U("c"), A("<think>\nwhy\n</think>\n\nd"), U("中文 😀 ﬁ\u00a0")],
    "wrong_order": [A("first"), U("second")],
}

LLAMA2 = "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
LLAMA3 = "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
LLAMA31 = r"""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message + builtin tools #}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\n\n"}}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions. " }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
{%- endif %}
{%- endif %}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' + arg_val + '"' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- endif %}
        {%- endfor %}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""
MISTRAL = "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
MISTRAL3 = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{#- This block checks for alternating user/assistant messages, skipping tool calling messages #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
QWEN2 = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
QWEN25 = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
QWEN3 = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\n' }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""
FAMILIES = {"llama2": LLAMA2, "llama3": LLAMA3, "llama31": LLAMA31, "mistral": MISTRAL, "mistral3": MISTRAL3, "qwen2": QWEN2, "qwen25": QWEN25, "qwen3": QWEN3}

# One construct each, over the talk "turns".
SMALL = r"""
{{ messages | length }} {{ messages|map(attribute='role')|join(', ') }}
  {% if true %}  x  {% endif %}  y
{%- if true -%}   x   {%- endif -%}  y
{%+ if true %}  x  {%+ endif %}  z
a {# note #} b {#- note -#} c
{% for m in messages if m.role != 'assistant' %}{{ loop.index }}/{{ loop.length }}:{{ m.role }} {% else %}none{% endfor %}
{% for c in [] %}x{% else %}empty{% endfor %}{{ range(5)|list|length }}{% for i in range(6, 0, -2) %}{{ i }},{% endfor %}
{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ loop.revindex }}{% if loop.index == 3 %}{% break %}{% endif %}{% endfor %}
{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}{{ messages[0].get('nothing') }}{{ messages[0].get('nothing', 'else') }}
{% set ns = namespace(n=0, last='') %}{% for m in messages %}{% set ns.n = ns.n + m.content|length %}{% set ns.last = m.role %}{% endfor %}{{ ns.n }} {{ ns.last }} {{ ns.unset is defined }}
{% set x = 1 %}{% for i in range(3) %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
{% if 1 %}{% set y = 'in if' %}{% endif %}{{ y }}
{% set block %}  text {{ 1 + 1 }}
{% endset %}[{{ block }}]
{{ 1 + 2 * 3 - 4 // 3 % 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ (1 + 2) * 3 }} {{ -2 + 1 }} {{ - 3|abs if false else 'no' }}
{{ 'a' ~ 1 ~ true ~ none ~ undefined_thing }} {{ 'ab' * 3 }} {{ 'a' + 'b' 'c' }}
{{ 'x' if undefined_thing else 'y' }}{{ 'x' if undefined_thing }} {{ undefined_thing or 'or' }} {{ '' or 0 or 'last' }} {{ 1 and 'and' }}
{{ not true }} {{ not undefined_thing is defined }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ 2 >= 2 }} {{ true == 1 }} {{ none == false }} {{ [1, 'a'] == [1, 'a'] }}
{{ 'ell' in 'hello' }} {{ 'x' not in 'hello' }} {{ 'role' in messages[0] }} {{ 2 in [1, 2] }} {{ 'x' in {'x': 1} }} {{ 'x' in undefined_thing }}
{{ messages[-1].role }} {{ messages[99] is defined }} {{ 'hello'[1:3] }} {{ 'hello'[::-1] }} {{ 'hello'[-3:] }} {{ 'hello'[:-1] }} {{ 'hello'[5:1:-2] }} {{ 'zoë'[2] }} {{ [1,2,3,4][1:9]|length }}
{{ '  a b  '.strip() }}|{{ '  a '.lstrip() }}|{{ ' a  '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a,b,,c'.split(',')|join('-') }}|{{ ' a  b '.split()|join('-') }}|{{ 'a,b,c'.split(',', 1)[1] }}|{{ 'a,b,c'.rsplit(',', 1)[0] }}
{{ 'Hello World'.upper() }} {{ 'Hello World'|lower }} {{ 'hello wORLD'.title() }} {{ 'hELLO wORLD'|capitalize }} {{ "they're".title() }}
{{ 'aXbXc'.replace('X', '--') }} {{ 'aXbXc'|replace('X', '') }} {{ 'aXbXc'.replace('X', 'y', 1) }} {{ '-'.join(['a', 'b']) }} {{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('ab') }}
{{ messages[1]|tojson }} {{ {'a': [1, none, true, 'é"\n'], 'b': {}}|tojson }} {{ [1, {'x': 'y'}]|tojson(indent=2) }} {{ '<&>\'\u00e9\t'|tojson }}
{{ x is defined }} {{ undefined_thing is undefined }} {{ none is none }} {{ 'a' is string }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ {} is mapping }} {{ [] is sequence }} {{ 'a' is iterable }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 1 is equalto 1 }} {{ true is true }} {{ 1 is true }} {{ 2 is not none }}
{{ undefined_thing|default('d') }} {{ ''|default('d') }} {{ ''|default('d', true) }} {{ none|default('d') }} {{ [1,2]|first }} {{ [1,2]|last }} {{ 'abc'|reverse }} {{ '  a '|trim }}. {{ 3.0|int }} {{ 'xax'|trim('x') }}
{{ messages|selectattr('role', 'equalto', 'user')|list|length }} {{ messages|rejectattr('role', 'equalto', 'user')|list|length }} {{ messages|selectattr('content')|list|length }}
{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ tools is none }}{{ documents is defined }}{{ add_generation_prompt }}{{ strftime_now is defined }}
{% generation %}marked{% endgeneration %} {{ "\x41\u00e9 tab\tquote\"back\\" }} {{ 'single "double"' }} {{ "single 'double'" }}
{% if messages[0].role == 'user' %}a{% elif messages[0].role == 'assistant' %}b{% elif messages[0].role == 'system' %}c{% else %}d{% endif %}
{%- for m in messages -%}
    {{- m.role }}
    {%- if not loop.last %}, {% endif -%}
{%- endfor %}
{{ (messages|length, 'x')[1] }} {{ {'k': 'v'}['k'] }} {{ {'k': 'v'}.k }} {{ messages[0]['nothing'] is defined }} {{ ('a' if 1 else 'b') ~ 'c' }}
{{ loop is defined }} {{ 1 < 2 and 2 < 3 or false }} {{ 'a' in ['a'] and not ('b' in ['a']) }} {{ [1, 2] + [3] | list | length }}
{{ raise_exception('no') }}
{{ undefined_thing.attribute }}
{{ undefined_thing + 1 }}
{{ 'a' + 1 }}
""".strip("\n").split("\n")


def main(path):
    groups, lines = [], iter(SMALL)
    for line in lines:  # a construct over several lines is joined again
        if line.startswith("{% set block"):
            line += "\n" + next(lines)
        if line == "{%- for m in messages -%}":
            line += "".join("\n" + next(lines) for _ in range(3))
        groups.append(line)
    cases = [(f"{family} {talk}", template, TALKS[talk]) for family, template in FAMILIES.items() for talk in TALKS]
    cases += [(f"construct {i}", line + ("\n" if i % 2 else ""), TALKS["turns"]) for i, line in enumerate(groups)]
    cases += [("line ends", "a\r\n{% if true %}\r\nb\r{% endif %}\r\nc\r\n\r\n", TALKS["user"]),
              ("indented", "x\n    {% if true %}\n    y {{ 1 }}\n    {% endif %}\n  {# note #}\n\tz\n", TALKS["user"]),
              ("start", "  {% if true %}a{% endif %}\n  {{ 'b' }}\n  {% if true -%}\n   c{% endif %}", TALKS["user"])]
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    with open(path, "w") as f:
        for name, template, messages in cases:
            one = {"name": name, "template": template, "tokens": tokens, "messages": messages}
            try:
                texts, _ = render_jinja_template([messages], chat_template=template, add_generation_prompt=True, **tokens)
                one["text"] = texts[0]
            except Exception as error:
                one["error"] = True
                print(f"{name}: {type(error).__name__}: {str(error)[:80]}")
            f.write(json.dumps(one) + "\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat.jsonl"))
