"""FastAPI with SQLAlchemy and asyncpg: the token is verified, the user is loaded, and the handler filters by owner."""

import os
import uuid
from datetime import datetime

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy import Boolean, Column, DateTime, Text, select
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, sessionmaker

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=10, max_overflow=0)
open_session = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
Base = declarative_base()


class User(Base):
    __tablename__ = "users"
    id = Column(UUID(as_uuid=True), primary_key=True)
    email = Column(Text, nullable=False)


class Todo(Base):
    __tablename__ = "todos"
    id = Column(UUID(as_uuid=True), primary_key=True)
    user_id = Column(UUID(as_uuid=True), nullable=False)
    title = Column(Text, nullable=False)
    completed = Column(Boolean, nullable=False)
    created_at = Column(DateTime(timezone=True))
    updated_at = Column(DateTime(timezone=True))


class TodoOut(BaseModel):
    id: uuid.UUID
    title: str
    completed: bool
    created_at: datetime
    updated_at: datetime

    class Config:
        orm_mode = True
        from_attributes = True


app = FastAPI()


async def session():
    async with open_session() as opened:
        yield opened


async def current_user(
    bearer: HTTPAuthorizationCredentials = Depends(HTTPBearer()), db: AsyncSession = Depends(session)
) -> User:
    try:
        claims = jwt.decode(bearer.credentials, os.environ["JWT_SECRET"], algorithms=["HS256"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    user = await db.get(User, uuid.UUID(claims["sub"]))
    if user is None:
        raise HTTPException(401)
    return user


@app.get("/todos", response_model=list[TodoOut])
async def list_todos(
    limit: int = Query(20, ge=1, le=100),
    user: User = Depends(current_user),
    db: AsyncSession = Depends(session),
):
    own = select(Todo).where(Todo.user_id == user.id)
    return (await db.execute(own.order_by(Todo.id.desc()).limit(limit))).scalars().all()
