-- What scripts do: tables, strings, closures, methods, sorting. Runs alike in Lua 5.4 and in LuaJIT (Lua 5.1), and
-- prints only whole numbers and strings, so that every variant prints the same. Argument: the number of rounds.
local rounds = tonumber(arg[1])

-- 32-bit arithmetic that stays exact in doubles.
local seed = 42
local function random(limit)
    seed = (seed * 16807) % 2147483647
    return seed % limit + 1
end

local Account = {}
Account.__index = Account

function Account.new(name)
    return setmetatable({ name = name, balance = 0, entries = {} }, Account)
end

function Account:deposit(amount)
    self.balance = self.balance + amount
    self.entries[#self.entries + 1] = amount
end

local function accounts(count)
    local list = {}
    for i = 1, 100 do
        list[i] = Account.new("account" .. i)
    end
    for _ = 1, count do
        list[random(100)]:deposit(random(1000))
    end
    table.sort(list, function(a, b)
        if a.balance ~= b.balance then
            return a.balance < b.balance
        end
        return a.name < b.name
    end)
    return list[1].name .. " " .. list[100].name
end

local function words(count)
    local seen, order = {}, {}
    for _ = 1, count do
        local word = string.format("%x", random(5000))
        if not seen[word] then
            seen[word] = 0
            order[#order + 1] = word
        end
        seen[word] = seen[word] + 1
    end
    table.sort(order)
    local text = table.concat(order, " ")
    local vowels = 0
    for _ in text:gmatch("[ae]+%d") do
        vowels = vowels + 1
    end
    return #text .. " " .. vowels .. " " .. text:gsub("%d+", ""):sub(1, 20)
end

local function queens(size)
    local columns, up, down, found = {}, {}, {}, 0
    local function place(row)
        if row > size then
            found = found + 1
            return
        end
        for column = 1, size do
            if not columns[column] and not up[row + column] and not down[row - column + size] then
                columns[column], up[row + column], down[row - column + size] = true, true, true
                place(row + 1)
                columns[column], up[row + column], down[row - column + size] = nil, nil, nil
            end
        end
    end
    place(1)
    return found
end

local function sieve(limit)
    local composite, count = {}, 0
    for i = 2, limit do
        if not composite[i] then
            count = count + 1
            for j = i * i, limit, i do
                composite[j] = true
            end
        end
    end
    return count
end

for round = 1, rounds do
    print(round, accounts(20000), words(15000), queens(7), sieve(60000))
end
