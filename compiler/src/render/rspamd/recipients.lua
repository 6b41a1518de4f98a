-- What each recipient asks for, and what becomes of a message by it: levels, lists, viruses, and the fields that tell.
--
-- Settings stand in the section `recipients`. What recipients ask for is asked of the service on this node, where there is one;
-- while it does not answer, of the map that was rendered with the node.

local lua_mime = require "lua_mime"
local lua_util = require "lua_util"
local rspamd_http = require "rspamd_http"
local rspamd_logger = require "rspamd_logger"
local ucl = require "ucl"

local N = "recipients"
local options = rspamd_config:get_all_opt(N)
if not options then
  return
end

-- {default, domains, aliases, mailboxes, addresses}
local known = { default = options.default, domains = {}, aliases = {}, mailboxes = {}, addresses = {} }

local function parse(text)
  local parser = ucl.parser()
  local well, problem = parser:parse_text(text)
  if not well then
    rspamd_logger.errx(rspamd_config, "%s: cannot read what recipients ask for: %s", N, problem)
    return nil
  end
  return parser:get_object()
end

rspamd_config:add_map({
  type = "callback",
  url = options.map,
  description = "What recipients ask for",
  callback = function(text)
    local read = parse(text)
    if read then
      known = read
    end
  end
})

-- Where an mx brings strangers' mail through a gateway, whom it came from stands in the field that the mx put on top.
if options.relays then
  local relays = {}
  for _, address in ipairs(options.relays) do
    relays[address] = true
  end
  rspamd_config:register_symbol({
    name = "GATEWAY_ORIGIN",
    type = "prefilter",
    priority = lua_util.symbols_priorities.top + 1,
    group = N,
    callback = function(task)
      local ip = task:get_ip()
      if not ip or not ip:is_valid() or not relays[ip:to_string()] then
        return
      end
      for _, received in ipairs(task:get_received_headers() or {}) do
        -- The scanner has a field of its own for the connection it sees.
        if not (received.flags or {}).artificial then
          local origin = received.real_ip
          if origin and origin:is_valid() then
            task:set_from_ip(origin)
            task:set_helo(received.from_hostname or "unknown")
            task:set_hostname(received.real_hostname or received.from_hostname or "unknown")
          end
          return
        end
      end
    end
  })
end

-- Mail of the platform's own users and nodes was looked at where it came in.
local function is_own(task)
  local ip = task:get_ip()
  return task:get_user() ~= nil or (ip and ip:is_valid() and ip:is_local()) or false
end

local function split(address)
  local at = address:match("^.*()@")
  if not at then
    return address, ""
  end
  return address:sub(1, at - 1), address:sub(at + 1)
end

-- What the rendered map says of an address.
local function rendered(address)
  local user, domain = split(address:lower())
  domain = known.aliases[domain] or domain
  local names = { user .. "@" .. domain }
  if options.separator then
    local from = user:find(options.separator, 2, true)
    if from then
      table.insert(names, user:sub(1, from - 1) .. "@" .. domain)
    end
  end
  for _, name in ipairs(names) do
    local own = known.mailboxes[known.addresses[name] or name]
    if own then
      return own
    end
  end
  return known.domains[domain] or known.default
end

-- How much a list says of addresses: an address more than a domain, a domain more than what lies below one.
local function strongest(patterns, addresses)
  local most
  for _, pattern in ipairs(patterns or {}) do
    for _, address in ipairs(addresses) do
      local user, domain = split(address)
      local says
      if pattern.below then
        local tail = "." .. pattern.domain
        if #domain > #tail and domain:sub(-#tail) == tail then
          local _, dots = pattern.domain:gsub("%.", "")
          says = dots + 1
        end
      elseif domain == pattern.domain then
        says = 999
      end
      if says and pattern["local"] then
        says = pattern["local"] == user and 1000 or nil
      end
      if says and (not most or says > most) then
        most = says
      end
    end
  end
  return most
end

local function listed(level, sender, authors)
  local everybody = {}
  local credible = {}
  if sender then
    table.insert(everybody, sender)
    table.insert(credible, sender)
  end
  for _, author in ipairs(authors) do
    table.insert(everybody, author)
    -- A From field is anybody's to write: it opens the door only where the reverse-path is of the same domain.
    local _, domain = split(author)
    if sender and select(2, split(sender)) == domain then
      table.insert(credible, author)
    end
  end
  local allowed = strongest(level.allow, credible)
  local blocked = strongest(level.block, everybody)
  if not allowed and not blocked then
    return nil
  end
  if allowed and (not blocked or allowed >= blocked) then
    return "allowed"
  end
  return "blocked"
end

-- Takes what all recipients ask for together: nobody can be refused alone after DATA, so the most patient has the say.
local function decide(task, levels)
  local from = task:get_from("smtp")
  local sender = from and from[1] and from[1].addr ~= "" and from[1].addr:lower() or nil
  local authors = {}
  for _, author in ipairs(task:get_from("mime") or {}) do
    if author.addr and author.addr ~= "" then
      table.insert(authors, author.addr:lower())
    end
  end
  local result
  local blocked, allowed = 0, 0
  for _, level in ipairs(levels) do
    local verdict = listed(level, sender, authors)
    if verdict == "blocked" then
      blocked = blocked + 1
    else
      if verdict == "allowed" then
        allowed = allowed + 1
      end
      if not result then
        result = { tag = level.tag, quarantine = level.quarantine, reject = level.reject, subject = level.subject, keeps = false, holds = true }
      end
      for _, field in ipairs({ "tag", "quarantine", "reject" }) do
        result[field] = math.max(result[field], level[field])
      end
      -- Two tags of their own choice make none: what is common to all stands there.
      if result.subject ~= level.subject then
        result.subject = nil
      end
      result.keeps = result.keeps or level.keeps ~= false
      result.holds = result.holds and level.holds == true
    end
  end
  if blocked > 0 and blocked == #levels then
    task:insert_result("SENDER_BLOCKED", 0.0)
    task:set_pre_result("reject", "Message rejected: the sender is blocked", N)
    return
  end
  result = result or options.default
  local actions = { reject = result.reject, greylist = options.greylist }
  if allowed > 0 then
    task:insert_result("SENDER_ALLOWED", 0.0)
    task:cache_set("recipients_allowed", true)
    task:cache_set("recipients_all_allowed", allowed == #levels)
    actions = { reject = 1000000, greylist = 1000000 }
  elseif not options.greylist then
    actions.greylist = nil
  end
  task:cache_set("recipients_levels", result)
  task:set_settings({ actions = actions })
end

local function levels_of(task)
  if is_own(task) then
    return
  end
  local addresses = {}
  for _, recipient in ipairs(task:get_recipients("smtp") or {}) do
    table.insert(addresses, recipient.addr)
  end
  local function by_map()
    local levels = {}
    for _, address in ipairs(addresses) do
      table.insert(levels, rendered(address))
    end
    if #levels == 0 then
      table.insert(levels, known.default)
    end
    decide(task, levels)
  end
  if not options.service or #addresses == 0 then
    return by_map()
  end
  local asked = rspamd_http.request({
    task = task,
    url = options.service,
    method = "POST",
    mime_type = "application/json",
    body = ucl.to_format({ addresses = addresses }, "json-compact"),
    timeout = 3.0,
    callback = function(problem, code, body)
      local answer = not problem and code == 200 and parse(body)
      if not answer or not answer.levels or #answer.levels ~= #addresses then
        rspamd_logger.warnx(task, "%s: the service says nothing of recipients: %s %s", N, problem or "", code or "")
        return by_map()
      end
      local levels = {}
      for index, level in ipairs(answer.levels) do
        table.insert(levels, level.tag and level or rendered(addresses[index]))
      end
      decide(task, levels)
    end
  })
  if not asked then
    by_map()
  end
end

rspamd_config:register_symbol({ name = "RECIPIENTS", type = "prefilter", priority = 9, callback = levels_of,
  flags = "empty,nostat" })
for _, name in ipairs({ "SENDER_ALLOWED", "SENDER_BLOCKED" }) do
  rspamd_config:set_metric_symbol({ name = name, score = 0.0, group = N, description = "On a recipient's list" })
end

-- What becomes of a virus, and of what could not be looked at.
if options.virus then
  rspamd_config:register_symbol({
    name = "VIRUS_VERDICT",
    type = "normal",
    callback = function(task)
      local found = task:get_symbol("CLAM_VIRUS")
      if found then
        local name = found[1].options and found[1].options[1] or "unknown"
        name = name:gsub("%.UNOFFICIAL$", ""):gsub("[^%w%._%-]", "_")
        local text = "Message rejected: virus found: " .. name
        task:cache_set("recipients_virus", name)
        -- A user is told at once: nobody else would look for what is held.
        local action = options.virus
        if is_own(task) then
          action = "reject"
        end
        -- Where mail is only sent on there is no mailbox to hold anything for.
        local levels = task:cache_get("recipients_levels")
        if action == "quarantine" and levels and levels.keeps == false then
          action, text = "reject", "Message rejected: it may be dangerous"
        end
        -- Rspamd 3.12 lets pass what is to be held where a text comes with it.
        task:set_pre_result(action, action ~= "quarantine" and text or nil, N)
      elseif task:get_symbol("CLAM_VIRUS_FAIL") then
        if options.unscanned == "accept" then
          task:cache_set("recipients_unscanned", true)
        elseif options.unscanned == "reject" then
          task:set_pre_result("reject", "Message rejected: it could not be scanned", N)
        else
          task:set_pre_result("soft reject", "Error: the message could not be scanned, try again later", N)
        end
      end
      return false
    end
  })
  -- What has no score is passed over by 3.12.
  rspamd_config:set_metric_symbol({ name = "VIRUS_VERDICT", score = 0.0, group = N, description = "What becomes of a virus" })
  rspamd_config:register_dependency("VIRUS_VERDICT", "CLAM_VIRUS")
end

-- What an author's domain asks for where nobody vouches for its name (RFC 7489), unless a recipient trusts the sender.
rspamd_config:register_symbol({
  name = "FORGERY_VERDICT",
  type = "postfilter",
  flags = "empty,nostat",
  callback = function(task)
    if is_own(task) or task:cache_get("recipients_allowed") then
      return
    end
    -- Rspamd aligns a notice's author with no host; the name it greets with counts where SPF vouches for it (RFC 7489 §3.1.2).
    local from, helo = task:get_from("smtp"), task:get_helo()
    if helo and not (from and from[1] and from[1].addr ~= "") and task:has_symbol("R_SPF_ALLOW") then
      for _, author in ipairs(task:get_from("mime") or {}) do
        local _, domain = split((author.addr or ""):lower())
        if domain ~= "" and ("." .. helo:lower()):sub(-#domain - 1) == "." .. domain then
          return
        end
      end
    end
    if task:has_symbol("DMARC_POLICY_REJECT") then
      task:set_pre_result("reject", "Message rejected: its author's domain asks for that (DMARC)", N)
    elseif task:has_symbol("DMARC_POLICY_QUARANTINE") then
      task:cache_set("recipients_forged", true)
    end
    -- Where there is no folder for spam it is held apart.
    local levels = task:cache_get("recipients_levels")
    local score = task:get_metric_score("default")[1]
    local spam = task:cache_get("recipients_forged") or (levels and score >= levels.quarantine and score < levels.reject)
    if levels and levels.holds and spam and not task:has_pre_result() then
      task:set_pre_result("quarantine", nil, N)
    end
  end
})

-- A score without zeros behind the point.
local function shown(score)
  local text = string.format("%.3f", score):gsub("0+$", ""):gsub("%.$", "")
  return text == "-0" and "0" or text
end

-- A tag as a header may hold it (RFC 2047 where it is not ASCII), at most thirty characters of it.
local function encoded(tag)
  local letters = {}
  for letter in tag:gmatch("[%z\1-\127\194-\244][\128-\191]*") do
    if #letters < 30 and not letter:find("^%c") then
      table.insert(letters, letter)
    end
  end
  local clean = table.concat(letters)
  if not clean:find("[\128-\255]") then
    return clean
  end
  local words = {}
  for first = 1, #letters, 10 do
    local octets = table.concat(letters, "", first, math.min(first + 9, #letters)):gsub(".", function(octet)
      return string.format("=%02X", octet:byte())
    end)
    table.insert(words, "=?utf-8?q?" .. octets .. "?=")
  end
  return table.concat(words, " ")
end

-- The fields that tell the verdict, and the tag before the subject.
rspamd_config:register_symbol({
  name = "VERDICT_FIELDS",
  type = "idempotent",
  flags = "empty,explicit_disable,ignore_passthrough",
  callback = function(task)
    if is_own(task) then
      return
    end
    local levels = task:cache_get("recipients_levels") or options.default
    local score = task:get_metric_score("default")[1]
    local virus = task:cache_get("recipients_virus")
    local forged = task:cache_get("recipients_forged")
    local spam = virus ~= nil or forged or (score >= levels.tag and not task:cache_get("recipients_allowed"))
    local status = string.format("%s, score=%s required=%s", spam and "Yes" or "No", shown(score), shown(levels.tag))
    local symbols = task:get_symbols_all() or {}
    table.sort(symbols, function(one, other)
      return one.name < other.name
    end)
    for _, symbol in ipairs(symbols) do
      if symbol.score ~= 0 or symbol.name:find("^SENDER_") then
        status = status .. string.format("\n\t%s(%s)", symbol.name:gsub("[^%w_]", "_"), shown(symbol.score))
      end
    end
    -- What the sender wrote into these fields says nothing.
    local add = { ["X-Spam-Score"] = { value = shown(score), order = 0 }, ["X-Spam-Status"] = { value = status, order = 1 } }
    local remove = { ["X-Spam-Score"] = 0, ["X-Spam-Status"] = 0, ["X-Spam"] = 0, ["X-Spam-Folder"] = 0, ["X-Virus-Status"] = 0 }
    -- A store files by the score alone where this says nothing.
    if forged then
      add["X-Spam-Folder"] = { value = "yes", order = 4 }
    elseif task:cache_get("recipients_all_allowed") then
      add["X-Spam-Folder"] = { value = "no", order = 4 }
    end
    if spam then
      add["X-Spam"] = { value = "Yes", order = 2 }
    end
    if task:cache_get("recipients_unscanned") then
      add["X-Virus-Status"] = { value = "Not scanned", order = 3 }
    end
    local tag = levels.subject and encoded(levels.subject) or options.subject
    if spam and not virus and tag and tag ~= "" then
      local subject = task:get_header_raw("Subject")
      remove["Subject"] = 0
      add["Subject"] = { value = subject and (tag .. " " .. subject:gsub("^%s+", "")) or tag, order = -1 }
    end
    lua_mime.modify_headers(task, { add = add, remove = remove })
  end
})
