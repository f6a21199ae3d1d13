--- The people of the sandbox: names, phones, addresses. A person is a pure
-- function of the seed and a number, so that a million of them cost nothing
-- until somebody looks at one. The users of the portal and the contacts of its
-- CRM are drawn from the same people, which makes some of them the same person.
--
-- Phones use the exchange 555, which real subscribers do not have, and the
-- e-mail addresses end in the names kept for documentation (RFC 2606).

local format, lower = string.format, string.lower
local ipairs, tonumber = ipairs, tonumber
local tointeger = math.tointeger
local char = utf8.charpattern

local _ENV = nil -- luacheck: ignore

local people = {}

local CULTURES = {
  {
    M = { "James", "Oliver", "Henry", "Daniel", "Thomas", "Owen", "Samuel", "Lewis" },
    F = { "Emma", "Grace", "Alice", "Chloe", "Hannah", "Lucy", "Olivia", "Megan" },
    last = { "Carter", "Hughes", "Bennett", "Walker", "Morgan", "Foster", "Reed", "Turner", "Doyle" },
  },
  {
    M = { "Jonas", "Felix", "Lukas", "Jürgen", "Stefan", "Matthias", "Björn", "Paul" },
    F = { "Anna", "Lena", "Sophie", "Käthe", "Greta", "Ulrike", "Johanna", "Mia" },
    last = { "Weber", "Schäfer", "Hoffmann", "Keller", "Vogel", "Brandt", "Krüger", "Böhm", "Seidel" },
  },
  {
    M = { "Antoine", "Hugo", "Rémi", "Luc", "Mathieu", "Olivier", "Étienne", "Jules" },
    F = { "Camille", "Zoé", "Élise", "Manon", "Claire", "Inès", "Juliette", "Sylvie" },
    last = { "Lefèvre", "Moreau", "Girard", "Fournier", "Rousseau", "Mercier", "Dupuis", "Garnier" },
  },
  {
    M = { "Mateo", "José", "Andrés", "Pablo", "Diego", "Javier", "Tomás", "Luis" },
    F = { "Lucía", "Elena", "Carmen", "Sofía", "Valeria", "Marta", "Paula", "Inés" },
    last = { "García", "Navarro", "Ortega", "Castillo", "Muñoz", "Vargas", "Romero", "Peña", "Soto" },
  },
  {
    M = { "Marco", "Luca", "Giorgio", "Matteo", "Davide", "Paolo", "Enzo", "Nicola" },
    F = { "Giulia", "Chiara", "Francesca", "Alessia", "Bianca", "Silvia", "Elisa", "Nora" },
    last = { "Rossi", "Ferrari", "Conti", "Marino", "Galli", "Fontana", "Rinaldi", "Moretti", "Barbieri" },
  },
  {
    M = { "Jakub", "Łukasz", "Piotr", "Marek", "Tomasz", "Michał", "Adam", "Kamil" },
    F = { "Zofia", "Agnieszka", "Ewa", "Magda", "Joanna", "Kinga", "Natalia", "Iga" },
    last = { "Nowak", "Wójcik", "Mazur", "Kaczmarek", "Dudek", "Zając", "Król", "Pawlak", "Sikora", "Baran" },
  },
  {
    M = { "Ivan", "Dmitri", "Pavel", "Nikolai", "Sergei", "Anton", "Maxim", "Oleg" },
    F = { "Olga", "Irina", "Tatiana", "Vera", "Daria", "Polina", "Yulia", "Ksenia" },
    last = { "Marchenko", "Bondarenko", "Kovalenko", "Lysenko", "Tkachenko", "Melnik", "Koval", "Shevchuk" },
  },
  {
    M = { "Arjun", "Rohan", "Vikram", "Sanjay", "Kiran", "Rahul", "Anil", "Dev" },
    F = { "Priya", "Ananya", "Meera", "Kavya", "Nisha", "Divya", "Asha", "Leela" },
    last = { "Sharma", "Patel", "Iyer", "Reddy", "Mehta", "Nair", "Gupta", "Chopra", "Bose", "Desai" },
  },
  {
    M = { "Kenji", "Haruto", "Daichi", "Wei", "Jun", "Minh", "Takumi", "Hao" },
    F = { "Yuki", "Sakura", "Aiko", "Mei", "Lin", "Hanako", "Xia", "Linh" },
    last = { "Tanaka", "Suzuki", "Mori", "Chen", "Nguyen", "Kimura", "Zhang", "Ishii", "Park", "Okada" },
  },
  {
    M = { "Omar", "Yusuf", "Karim", "Tariq", "Samir", "Hassan", "Emre", "Ali" },
    F = { "Leila", "Amina", "Fatima", "Nadia", "Zeynep", "Salma", "Yasmin", "Rania" },
    last = { "Haddad", "Mansour", "Yılmaz", "Khoury", "Aziz", "Demir", "Saleh", "Kaya", "Nasser", "Farah" },
  },
  {
    M = { "João", "Rui", "Tiago", "Bruno", "Rafael", "Miguel", "Caio", "Nuno" },
    F = { "Beatriz", "Inês", "Mariana", "Larissa", "Helena", "Rita", "Júlia", "Ana" },
    last = { "Silva", "Gonçalves", "Ribeiro", "Almeida", "Cardoso", "Teixeira", "Araújo", "Lopes", "Mota" },
  },
  {
    M = { "Erik", "Lars", "Søren", "Åke", "Mikael", "Henrik", "Anders", "Jussi" },
    F = { "Ingrid", "Astrid", "Freja", "Linnéa", "Maja", "Signe", "Aino", "Karin" },
    last = { "Lindqvist", "Hansen", "Nyström", "Berg", "Dahl", "Sørensen", "Virtanen", "Holm", "Sjöberg" },
  },
}

local POSITIONS = {
  "Sales Manager", "Account Executive", "Project Manager", "Accountant", "Purchasing Manager",
  "Marketing Specialist", "Support Engineer", "Software Developer", "HR Specialist", "Office Manager",
  "Head of Sales", "Financial Analyst", "Logistics Coordinator", "Product Manager", "Designer",
  "Chief Accountant", "Technical Director", "Lawyer", "Operations Manager", "Business Analyst",
}

local MAIL_HOSTS = { "example.com", "example.net", "example.org", "mail.example.com", "corp.example.net" }

-- Letters of the names above as an e-mail address may hold them.
local PLAIN = {}
for _, entry in ipairs {
  { "a", "äåãáâàąÅ" }, { "c", "çćč" }, { "e", "éèêëęÉ" }, { "g", "ğ" }, { "i", "íìîïıİ" }, { "l", "łŁ" },
  { "n", "ñńň" }, { "o", "öøóôòõ" }, { "s", "śşš" }, { "u", "üúùû" }, { "z", "żźž" },
} do
  for letter in entry[2]:gmatch(char) do
    PLAIN[letter] = entry[1]
  end
end

local function plain(name)
  return lower((name:gsub("[\xC2-\xDF][\x80-\xBF]", PLAIN)))
end

-- The folding of each name is done once, not once per person.
local FOLDED = {}
for _, culture in ipairs(CULTURES) do
  for _, list in ipairs { culture.M, culture.F, culture.last } do
    for _, name in ipairs(list) do
      FOLDED[name] = plain(name)
    end
  end
end

--- Mix a seed, a number and the name of a use into 32 evenly spread bits.
---@param seed integer
---@param i integer
---@param use integer?
---@return integer
function people.mix(seed, i, use)
  -- The finisher of splitmix64; integers of Lua wrap as it needs.
  local x = seed * 0x9E3779B97F4A7C15 + i * 0xBF58476D1CE4E5B9 + (use or 0) * 0x94D049BB133111EB
  x = (x ~ (x >> 30)) * 0xBF58476D1CE4E5B9
  x = (x ~ (x >> 27)) * 0x94D049BB133111EB
  return (x ~ (x >> 31)) >> 32
end
local mix = people.mix

-- Area codes 200…999, then 555, then four digits: eight million numbers. The
-- step shares no divisor with them, so phones differ until they are used up
-- (three of each person: 2.6 million people).
local PHONES = 8000000
local STEP = 5270687
local STEP_BACK -- its inverse modulo PHONES, by the extended Euclid
do
  local a, b, x, y = STEP, PHONES, 1, 0
  while b > 0 do
    local q = a // b
    a, b, x, y = b, a - q * b, y, x - q * y
  end
  STEP_BACK = x % PHONES
end

local function phone(seed, i, slot)
  local n = ((3 * i + slot) * STEP + mix(seed, 0, 7)) % PHONES
  return format("+1%03d555%04d", 200 + n // 10000, n % 10000)
end

--- Whose phone this could be: the number of the only person who has it.
---@param seed integer
---@param digits string the digits of the phone
---@return integer?
function people.by_phone(seed, digits)
  local area, line = digits:match("^1(%d%d%d)555(%d%d%d%d)$")
  if not area or area < "200" then return nil end
  local n = (tointeger(tonumber(area)) - 200) * 10000 + tointeger(tonumber(line))
  return ((n - mix(seed, 0, 7)) % PHONES * STEP_BACK % PHONES) // 3
end

--- Whose e-mail address this could be.
---@param email string
---@return integer?
function people.by_email(email)
  return tointeger(tonumber(email:match("%.(%d+)@")))
end

--- A person. The same arguments always give the same one; different numbers
--- never share a phone or an e-mail address.
---@param seed integer
---@param i integer
---@return table { first_name, last_name, name, gender, mobile, work_phone,
---  personal_phone?, email, birthday, position }
function people.person(seed, i)
  local roll = mix(seed, i, 1)
  local other = mix(seed, i, 2)
  local culture = CULTURES[1 + roll % #CULTURES]
  local gender = (roll >> 8) & 1 == 0 and "F" or "M"
  local firsts, lasts = culture[gender], culture.last
  local first = firsts[1 + (roll >> 12) % #firsts]
  local last = lasts[1 + (roll >> 20) % #lasts]
  return {
    first_name = first,
    last_name = last,
    name = first .. " " .. last,
    gender = gender,
    mobile = phone(seed, i, 0),
    work_phone = phone(seed, i, 1),
    -- A third of people gave a private number.
    personal_phone = other % 3 == 0 and phone(seed, i, 2) or nil,
    email = FOLDED[first] .. "." .. FOLDED[last] .. "." .. i .. "@"
      .. MAIL_HOSTS[1 + (other >> 4) % #MAIL_HOSTS],
    birthday = format("%04d-%02d-%02d",
      1958 + (other >> 8) % 46, 1 + (other >> 14) % 12, 1 + (other >> 20) % 28),
    position = POSITIONS[1 + (other >> 25) % #POSITIONS],
  }
end

return people
